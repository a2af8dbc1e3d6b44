"""What the modules that move elements share: layers of one's own, and kinds of attributes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from graphfuzz.spec import Emission, Operator, Size, emission
from graphfuzz.spec.declaration import common_dtypes
from graphfuzz.spec.dtypes import is_float

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
    The layer takes every operand for a dense one: Keras infers that the product of a tensor and a Python number is
    sparse (keras/src/ops/numpy.py, Multiply.compute_output_spec), which TensorFlow's own operators refuse then.
    """
    passed = ", ".join("{" + name.strip().lstrip("*") + "}" for name in operands.split(","))

    def written(**names: Any) -> str:
        assert callable(call)
        return f"Function(lambda {operands}: {call(**names)})({passed.format(**names)})"

    text = written if callable(call) else f"Function(lambda {operands}: {call})({passed})"
    return emission(text, helper=f"import tensorflow as tf\n\n\n{FUNCTION.strip()}", dtypes=dtypes, **more)


def keras_layer(
    constructor: str | Callable[..., str],
    call: str | Callable[..., str] = "{layer}({x})",
    *,
    typed: bool = False,
    dtypes: Any = None,
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


def everywhere(op: Operator, *frameworks: str) -> Operator:
    """The operator with the dtypes, too, that few kernels know: in the frameworks named, both unless told.

    Emissions that state their dtypes keep them.
    """
    emissions = dict(op.emissions)
    for framework in frameworks or ("torch", "keras"):
        if framework in emissions and emissions[framework].dtypes == common_dtypes(framework, op.variables):
            emissions[framework] = msgspec.structs.replace(emissions[framework], dtypes={})
    return msgspec.structs.replace(op, emissions=emissions)


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
