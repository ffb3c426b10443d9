"""What the tasks share: options, drawing, sentences, compiled code."""
