"""Random valid cases."""

from graphfuzz.generator.generation import Exhausted, generate, generate_graph, single_operator_case
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.profile import Fits, Profile
from graphfuzz.generator.recipe import Recipe

__all__ = ["Exhausted", "Fits", "Guide", "Profile", "Recipe", "generate", "generate_graph", "single_operator_case"]
