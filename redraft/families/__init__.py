"""Families: one file of facts and names per line of checkpoints. `redraft.models.registry` finds them."""
