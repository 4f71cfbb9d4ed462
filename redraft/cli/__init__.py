"""The command line: main and one file per command. Nothing imports it; it may import anything, lazily."""
