"""Benchmarks: one module per question, each a command that prints a table and writes a dated file of numbers.

python -m benchmarks.modes --model CHECKPOINT
"""
