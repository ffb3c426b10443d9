"""What several figures share and what is none: where frames go, what lines are called, which looks there are."""
