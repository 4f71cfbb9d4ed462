"""SDAR-MoE: compared as the dense SDAR is."""

from benchmarks.parity.sdar import ARRAYS, CASES

__all__ = ["ARRAYS", "CASES"]
