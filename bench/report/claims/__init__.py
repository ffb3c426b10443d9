"""What is told of claims: the table of verdicts, the page and its figures."""
