"""What the tasks share: options, drawing, sentences and their constructions, compiled code."""
