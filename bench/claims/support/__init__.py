"""Code that claims share: rules and verdicts, the way from trials to an answer, and the storage of verdicts."""
