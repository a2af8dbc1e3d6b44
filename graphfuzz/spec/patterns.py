"""Blocks of real networks, and equal forms of one computation: what a pack may give beside operators.

Both are written as functions over a net, which adds one node a call. Only the structure is stated: what a body leaves
open (weights, attributes that it does not name, sizes) is drawn and solved as for any node.

    @pattern(tensor("x", rank=4))
    def residual_block(net, x):
        \"\"\"Two convolutions, and a sum with what went in (He et al., 2015).\"\"\"
        inner = net("relu", net("conv2d", x, like=x))
        return net("relu", net("add", net("conv2d", inner, like=x), x))

    @rewrite("subtract")
    def added_negative(net, x, y):
        \"\"\"x + (-y).\"\"\"
        return net("add", x, net("negative", y))
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from graphfuzz.errors import SpecError
from graphfuzz.spec.dtypes import ANY, FLOATS, KNOWN
from graphfuzz.spec.operator import MAX_RANK, Parameter


class Net(Protocol):
    """A graph to which nodes are added. rng: for what a body draws itself."""

    rng: random.Random

    def __call__(self, names: str, /, *operands: Any, like: Any = None, **attrs: Any) -> Any:
        """The value that a new node makes; a tuple of them, of several.

        names: the operator, or several ("relu | gelu"), of which one that the framework has is drawn. operands: values
        (with .dtype and .shape), for the parameters that are no weights or for all; what is missing is made. like: a
        value of whose type the first output shall be. attrs: those that must be so; others are drawn. Raises Rejected
        where no such node is found.
        """
        ...

    def require(self, truth: bool, reason: str) -> None:
        """Raises Rejected unless it is true; the reason completes the sentence "it is required that ..."."""
        ...


class Pattern(msgspec.Struct, frozen=True, eq=False):
    """A block: what goes in (all of one of the dtypes), and the body that adds its nodes."""

    name: str
    doc: str
    parameters: tuple[Parameter, ...]
    dtypes: tuple[str, ...]
    body: Callable[..., Any]


class Rewrite(msgspec.Struct, frozen=True, eq=False):
    """An equal form of a use of one of the operators; where there are none, of any value of these dtypes and ranks.

    The body gets the use's operands and attributes, or the value, and returns an equal value.
    """

    name: str
    doc: str
    operators: tuple[str, ...]
    dtypes: tuple[str, ...]
    ranks: tuple[int, ...]
    body: Callable[..., Any]


def pattern(*parameters: Parameter, dtypes: Sequence[str] = FLOATS) -> Callable[[Callable[..., Any]], Pattern]:
    """Declare a block of real networks around its body `body(net, *values)`.

    parameters: what goes in, by `tensor`. dtypes: of what goes in. Raises SpecError.
    """

    def declare(body: Callable[..., Any]) -> Pattern:
        name = f"pattern '{body.__name__}'"
        _check(name, body, dtypes)
        taken = list(inspect.signature(body).parameters)[1:]
        if taken != [p.name for p in parameters]:
            raise SpecError(f"{name}: takes {taken}, the declaration has {[p.name for p in parameters]}")
        return Pattern(body.__name__, inspect.getdoc(body) or "", parameters, tuple(dtypes), body)

    return declare


def rewrite(
    *operators: str, dtypes: Sequence[str] = ANY, ranks: Sequence[int] = range(MAX_RANK + 1)
) -> Callable[[Callable[..., Any]], Rewrite]:
    """Declare an equal form, exact or exact but for rounding, around its body.

    operators: the names of those whose uses it rewrites, as `body(net, *operands, **attributes)`; without any, the body
    is `body(net, x)` for any value. dtypes, ranks: of the first operand, or of the value. Raises SpecError.
    """

    def declare(body: Callable[..., Any]) -> Rewrite:
        _check(f"rewrite '{body.__name__}'", body, dtypes)
        doc = inspect.getdoc(body) or ""
        return Rewrite(body.__name__, doc, operators, tuple(dtypes), tuple(ranks), body)

    return declare


def _check(name: str, body: Callable[..., Any], dtypes: Sequence[str]) -> None:
    if not body.__doc__:
        raise SpecError(f"{name}: the docstring is missing; it is the documentation")
    unknown = [dtype for dtype in dtypes if dtype not in KNOWN]
    if unknown or not dtypes:
        raise SpecError(f"{name}: has unknown dtypes {unknown}, or none")
