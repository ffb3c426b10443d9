"""Reports to read: sentences, tables, the printed summary."""
