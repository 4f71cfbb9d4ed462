"""Parity: golden vectors of reference implementations against ours.

    python -m benchmarks.parity FOLDER...

A folder holds a tiny checkpoint in its official format, `inputs.npz` and `expected.npz`, and for samplers
`generate.npz` and `generate.json`. One file here per family says how each array and each sampler case is computed
with our denoisers, policies and contexts, by configuration alone.
"""
