"""Instant Edit: a text changed where it has to be and nowhere else, in one to three forwards."""
