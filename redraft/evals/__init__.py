"""Evaluation: tasks, what asks a model about them, what judges the answers, and the numbers that come of it."""
