"""Evaluation metrics, each beside the test that reproduces a published number or a hand-made one."""
