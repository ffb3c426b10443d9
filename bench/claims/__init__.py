"""The claims of a lecture, each put to the test by a rule that was fixed before the numbers; one claim a file."""
