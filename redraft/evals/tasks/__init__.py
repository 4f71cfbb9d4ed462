"""The tasks: one folder each, with a README of where the data is from and how published numbers were obtained."""
