"""Chooses any program of the archive that passed its checks."""


def select(archive, rng):
    """Draw a parent's id."""
    return rng.choice([v["id"] for v in archive if v["viable"]])
