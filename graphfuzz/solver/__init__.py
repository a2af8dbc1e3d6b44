"""Sizes that satisfy conditions."""

from graphfuzz.solver.completion import Completion, Contradiction
from graphfuzz.solver.solver import GaveUp, Profile, Unsatisfiable, solve

__all__ = ["Completion", "Contradiction", "GaveUp", "Profile", "Unsatisfiable", "solve"]
