"""This process: global state, time limits and error lines for code of others, source hash, machine."""
