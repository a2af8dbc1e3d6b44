"""Random valid cases."""

from graphfuzz.generator.bars import Bar, stopped
from graphfuzz.generator.generation import generate, generate_graph, single_operator_case
from graphfuzz.generator.guide import Guide
from graphfuzz.generator.job import Exhausted
from graphfuzz.generator.lanes import CONTROL, LANES
from graphfuzz.generator.lanes.sweep import typed_targets
from graphfuzz.generator.narrowing import narrowed
from graphfuzz.generator.profile import Fits, Profile
from graphfuzz.generator.recipe import Recipe
from graphfuzz.generator.space import share_stopped
from graphfuzz.generator.support import Support, support_of

__all__ = [
    "CONTROL",
    "LANES",
    "Bar",
    "Exhausted",
    "Fits",
    "Guide",
    "Profile",
    "Recipe",
    "Support",
    "generate",
    "generate_graph",
    "narrowed",
    "share_stopped",
    "single_operator_case",
    "stopped",
    "support_of",
    "typed_targets",
]
