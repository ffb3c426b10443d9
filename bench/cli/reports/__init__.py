"""Commands that read what is stored: summaries and exports; figures, tables and methods, also those of a paper."""
