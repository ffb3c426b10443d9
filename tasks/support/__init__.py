"""Code that tasks share: options, drawing, sentences and their constructions, compiled code."""
