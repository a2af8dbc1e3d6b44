"""Computation graphs and cases."""

from graphfuzz.graph.binding import Axes, bound_cases, rebound, retyped, symbolic_axes
from graphfuzz.graph.case import Case, case_from_json, case_to_json, pack_arrays, unpack_arrays
from graphfuzz.graph.evaluation import Array, Values, WrongReference, apply, evaluate, joined, parts
from graphfuzz.graph.features import Features, attribute_bin, attribute_use, features, typed_use, use_of
from graphfuzz.graph.graph import Graph, Node, Value, kept, operands, output_types, pruned, text, to_networkx, validate
from graphfuzz.graph.ordinary import (
    LIMITS,
    contains,
    defined_outputs,
    extent,
    in_domain,
    is_defined,
    is_special,
    operand_bounds,
    ordinary_outputs,
    ordinary_values,
    plain_bounds,
    within,
)
from graphfuzz.graph.symbolic import requirements
from graphfuzz.graph.widening import widened, widened_values

__all__ = [
    "LIMITS",
    "Array",
    "Axes",
    "Case",
    "Features",
    "Graph",
    "Node",
    "Value",
    "Values",
    "WrongReference",
    "apply",
    "attribute_bin",
    "attribute_use",
    "bound_cases",
    "case_from_json",
    "case_to_json",
    "contains",
    "defined_outputs",
    "evaluate",
    "extent",
    "features",
    "in_domain",
    "is_defined",
    "is_special",
    "joined",
    "kept",
    "operand_bounds",
    "operands",
    "ordinary_outputs",
    "ordinary_values",
    "output_types",
    "pack_arrays",
    "parts",
    "plain_bounds",
    "pruned",
    "rebound",
    "requirements",
    "retyped",
    "symbolic_axes",
    "text",
    "to_networkx",
    "typed_use",
    "unpack_arrays",
    "use_of",
    "validate",
    "widened",
    "widened_values",
    "within",
]
