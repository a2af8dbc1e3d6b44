"""Run a graph on the operators' NumPy references, optionally disturbing every float on its way.

The disturbance is Monte Carlo arithmetic (Parker, "Monte Carlo Arithmetic", 1997): each float value is moved by a
random multiple of its format's spacing, so that the spread of the outputs shows how far rounding alone can carry them,
and whether it can carry them over a discontinuity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from graphfuzz.graph.graph import Graph, Node
from graphfuzz.spec.dtypes import is_complex, is_float
from graphfuzz.spec.operator import Operator
from graphfuzz.spec.registry import Registry

Array: TypeAlias = "np.ndarray[Any, Any]"
Values: TypeAlias = Mapping[str, Array]
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


class WrongReference(Exception):
    """A reference returned another shape or number of outputs than its rule infers: the spec is wrong."""


def computable(array: Array) -> Array:
    """The array as references get it: bfloat16, for which NumPy lacks most functions, as float32."""
    return array.astype("float32") if array.dtype == _BFLOAT16 else array


def parts(array: Array) -> Array:
    """Complex numbers as pairs of floats along a new last axis: real part, imaginary part. Others as they are."""
    return np.stack([array.real, array.imag], -1) if array.dtype.kind == "c" else array


def joined(pairs: Array) -> Array:
    """The complex numbers whose `parts` these floats (32 or 64 bits) are."""
    made = np.empty(pairs.shape[:-1], np.result_type(pairs.dtype, "complex64"))
    made.real, made.imag = pairs[..., 0], pairs[..., 1]
    return made


def apply(op: Operator, node: Node, arrays: Sequence[Array]) -> list[Array]:
    """One node's outputs from its operands, as the declared dtypes. Raises WrongReference."""
    with np.errstate(all="ignore"):
        result = op.reference(*map(computable, arrays), **node.attrs)
    results = list(result) if isinstance(result, tuple | list) else [result]
    if len(results) != len(node.outputs):
        raise WrongReference(f"{op.name}: the reference made {len(results)} outputs, the rule {len(node.outputs)}")
    made = []
    for array, value in zip(results, node.outputs, strict=True):
        typed = np.asarray(array)
        if typed.shape != value.shape:
            raise WrongReference(f"{op.name}: the reference made shape {typed.shape}, the rule {value.shape}")
        with np.errstate(all="ignore"):
            made.append(typed.astype(value.dtype, copy=False))
    return made


def evaluate(
    graph: Graph,
    leaves: Values,
    registry: Registry,
    disturb: Callable[[str, Array], Array] | None = None,
    disturb_operand: Callable[[Node, str, Array], Array] | None = None,
) -> dict[str, Array]:
    """Every value of the graph by name, from the values of its inputs and weights.

    disturb: applied to every float value, leaf or made, as soon as it is known: (name, array) to array; to a complex
        one as its `parts`. disturb_operand: the same for what one node gets of a value: (node, name, array) to array.
    """
    found: dict[str, Array] = {}

    def disturbed(array: Array, how: Callable[[Array], Array]) -> Array:
        if is_complex(str(array.dtype)):
            return joined(how(parts(array)))
        return how(array) if is_float(str(array.dtype)) else array

    def keep(name: str, array: Array) -> None:
        found[name] = disturbed(array, partial(disturb, name)) if disturb else array

    def given(node: Node, name: str) -> Array:
        return disturbed(found[name], partial(disturb_operand, node, name)) if disturb_operand else found[name]

    for value in (*graph.inputs, *graph.weights):
        keep(value.name, leaves[value.name])
    for node in graph.nodes:
        made = apply(registry[node.op], node, [given(node, name) for name in node.inputs])
        for value, array in zip(node.outputs, made, strict=True):
            keep(value.name, array)
    return found
