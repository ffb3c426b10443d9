"""Reports as text: sentences, tables and the summary in the terminal."""
