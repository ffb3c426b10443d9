"""Reports of claims: the table of verdicts, the page and its figures."""
