"""Sizes that satisfy conditions."""

from graphfuzz.solver.completion import Contradiction, complete
from graphfuzz.solver.solver import GaveUp, Profile, Unsatisfiable, solve

__all__ = ["Contradiction", "GaveUp", "Profile", "Unsatisfiable", "complete", "solve"]
