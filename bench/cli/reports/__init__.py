"""Commands that read stored results: summaries, exports, figures, tables and methods, also for a paper."""
