"""Random valid cases."""

from graphfuzz.generator.generation import Exhausted, generate, generate_graph, single_operator_case
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.recipe import Recipe

__all__ = ["Exhausted", "Guide", "Recipe", "generate", "generate_graph", "single_operator_case"]
