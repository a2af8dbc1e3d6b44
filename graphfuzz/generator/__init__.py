"""Random valid cases."""

from graphfuzz.generator.growth import Exhausted, Growth, generate, single_operator_case
from graphfuzz.generator.recipe import Recipe

__all__ = ["Exhausted", "Growth", "Recipe", "generate", "single_operator_case"]
