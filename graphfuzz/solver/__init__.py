"""Sizes that satisfy conditions."""

from graphfuzz.solver.completion import complete
from graphfuzz.solver.solver import GaveUp, Profile, Unsatisfiable, solve

__all__ = ["GaveUp", "Profile", "Unsatisfiable", "complete", "solve"]
