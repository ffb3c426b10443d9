"""Whether a task, a cell or a clip keeps its contract: one finding a rule, in plain words."""
