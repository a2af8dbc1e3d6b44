"""What the modules that move elements share: operators that differ in their spelling only, and their attributes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from graphfuzz.spec import Emission, Operator, Size, emission
from graphfuzz.spec.declaration import checked
from graphfuzz.spec.dtypes import UNCOMMON, is_float

Emitted = str | Callable[..., str] | Emission | None
Proposal = Mapping[str, Any]

FUNCTION = '''
class Function(layers.Layer):
    """A function as a layer."""

    def __init__(self, function):
        super().__init__(autocast=False)
        self.function = function

    def compute_output_spec(self, *given):
        return super().compute_output_spec(*(keras.KerasTensor(tensor.shape, tensor.dtype) for tensor in given))

    def call(self, *operands):
        return self.function(*operands)
'''


def in_layer(operands: str, call: str | Callable[..., str], *, dtypes: Any = None, **more: Any) -> Emission:
    """A layer of one's own, for what keras.ops lacks or knows of tensors only: `call` on the named operands.

    It may use TensorFlow as `tf`; attributes stand in braces, or `call` is a function of operands and attributes.
    """
    passed = ", ".join("{" + name.strip().lstrip("*") + "}" for name in operands.split(","))

    def written(**names: Any) -> str:
        assert callable(call)
        return f"Function(lambda {operands}: {call(**names)})({passed.format(**names)})"

    text = written if callable(call) else f"Function(lambda {operands}: {call})({passed})"
    return emission(text, helper=f"import tensorflow as tf\n\n\n{FUNCTION.strip()}", dtypes=dtypes, **more)


def keras_layer(
    constructor: str | Callable[..., str], call: str = "{layer}({x})", *, typed: bool = False, dtypes: Any = None
) -> Emission:
    """A Keras layer on `x` (or `xs`). Without a dtype of its own it would make float32 of any other float.

    typed: whether integers need it as well.
    """

    def layer(layer: str, **names: Any) -> str:
        text = constructor.format(**names) if isinstance(constructor, str) else constructor(**names)
        operand = names["x"] if "x" in names else names["xs"].each[0]
        if operand.dtype == "float32" or not (typed or is_float(operand.dtype)):
            return text
        return f'{text[:-1]}{"" if text.endswith("()") else ", "}dtype="{operand.dtype}")'

    return emission(call, layer=layer, dtypes=dtypes)


def spelled(
    op: Operator,
    name: str,
    doc: str | None = None,
    *,
    torch: Emitted = None,
    keras: Emitted = None,
    **fields: Any,
) -> Operator:
    """Another operator with the signature and the rule of `op`, in the frameworks given; `fields` replace its others.

    Its dtypes are those of `op` where an emission says nothing else.
    """
    emissions = {}
    for framework, given in (("torch", torch), ("keras", keras)):
        if given is not None:
            made = given if isinstance(given, Emission) else Emission(given)
            limits = {**_limits(op, framework), **made.dtypes}
            emissions[framework] = msgspec.structs.replace(made, dtypes=limits)
    return checked(msgspec.structs.replace(op, name=name, doc=doc or op.doc, emissions=emissions, **fields))


def everywhere(op: Operator, *frameworks: str) -> Operator:
    """The operator with the dtypes, too, that few kernels know: in the frameworks named, both unless told.

    Emissions that state their dtypes keep them.
    """
    emissions = dict(op.emissions)
    for framework in frameworks or ("torch", "keras"):
        if framework in emissions and emissions[framework].dtypes == _common(op, framework):
            emissions[framework] = msgspec.structs.replace(emissions[framework], dtypes={})
    return msgspec.structs.replace(op, emissions=emissions)


def _limits(op: Operator, framework: str) -> Mapping[str, tuple[str, ...]]:
    """The dtypes that the operator has in a framework; the common ones where it has no emission there."""
    if framework in op.emissions:
        return op.emissions[framework].dtypes
    return _common(op, framework)


def _common(op: Operator, framework: str) -> Mapping[str, tuple[str, ...]]:
    """What an emission that states no dtypes is limited to."""
    rare = UNCOMMON[framework]
    common = {variable: tuple(d for d in names if d not in rare) for variable, names in op.variables.items()}
    return {variable: names for variable, names in common.items() if names and names != op.variables[variable]}


def known(shape: Sequence[Size]) -> list[int] | None:
    """The sizes as numbers, where all of them are."""
    numbers = [s for s in shape if isinstance(s, int)]
    return numbers if len(numbers) == len(shape) else None


class Pair(msgspec.Struct, frozen=True):
    """Two distinct axes of the operand named `of`, of either sign; `extra` for a result of higher rank."""

    of: str = "x"
    extra: int = 0

    def draw(self, rng: random.Random, rank: Callable[[str], int]) -> tuple[int, ...]:
        limit = rank(self.of) + self.extra
        chosen = rng.sample(range(limit), 2) if limit > 1 else []
        return tuple(a - (limit if rng.random() < 0.3 else 0) for a in chosen)

    def problem(self, value: Any, rank: Callable[[str], int]) -> str | None:
        limit = rank(self.of) + self.extra
        if not isinstance(value, tuple) or len(value) != 2 or not all(isinstance(a, int) for a in value):
            return f"is {value!r}, not two axes"
        inside = all(-limit <= a < limit for a in value)
        return None if inside and (value[0] - value[1]) % limit else f"is {value}, not two distinct axes of {limit}"


class Several(msgspec.Struct, frozen=True):
    """Some of a few values, each any number of times: as many as `count` allows, or one for each axis of `per`."""

    options: tuple[bool | int | float | str, ...]
    count: tuple[int, ...] = ()
    per: str | None = None

    def draw(self, rng: random.Random, rank: Callable[[str], int]) -> tuple[bool | int | float | str, ...]:
        length = rng.choice(self.count) if self.per is None else rank(self.per)
        return tuple(rng.choice(self.options) for _ in range(length))

    def problem(self, value: Any, rank: Callable[[str], int]) -> str | None:
        if not isinstance(value, tuple):
            return f"is {value!r}, not a list"
        unknown = [v for v in value if not any(v == o and type(v) is type(o) for o in self.options)]
        if unknown:
            return f"has {unknown}, not among {list(self.options)}"
        lengths = self.count if self.per is None else (rank(self.per),)
        return None if len(value) in lengths else f"has {len(value)} entries, not {' or '.join(map(str, lengths))}"


class Order(msgspec.Struct, frozen=True):
    """The numbers below some count, each once, in any order."""

    count: tuple[int, ...]

    def draw(self, rng: random.Random, rank: Callable[[str], int]) -> tuple[int, ...]:
        length = rng.choice(self.count)
        return tuple(rng.sample(range(length), length))

    def problem(self, value: Any, rank: Callable[[str], int]) -> str | None:
        ordered = isinstance(value, tuple) and len(value) in self.count and sorted(value) == list(range(len(value)))
        return None if ordered else f"is {value!r}, not an order of {' or '.join(map(str, self.count))} numbers"
