"""What converted models are for: a format, and a runtime that takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from graphfuzz.graph import Array, Case, Values

Run: TypeAlias = Callable[[Any, Values], list[Array]]


class Target(msgspec.Struct, frozen=True):
    """A format and a runtime.

    file: what an entry calls the file of a converted model. pack: what a route's `convert` made, as that file's bytes.
    load: the same, or its bytes, as a session; run: (session, inputs by name) to the outputs, in order. Both are
        self-contained functions, called `load_...` and `run_...`, because their very text goes into `repro.py`;
        helpers: what they call, of which the same is true.
    lacks: whether an exception of either says that the runtime has no kernel for an operator and dtype.
    doubt: the format's own check: raises what is certain, returns what only the runtime can decide. None for none.
    declared: the first output whose stated shape is another than it has, as `misdeclared`; None where none is stated.
    rounded: the numbers that the format cannot but have rounded, as `float_attributes`; None where it rounds none.
    plain: what `load` takes, and inputs, to the outputs without the runtime's optimizations; reference: the same by
        another implementation of the format; None where there is none. unable: whether an exception of `reference` says
        that it has no such operator.
    is_onnx: whether its models can be read, and repaired, as ONNX's. has_optimizers: whether the runtime is ONNX
        Runtime, whose optimizers can be switched off one by one.
    """

    name: str
    file: str
    pack: Callable[[Any], bytes]
    load: Callable[[Any], Any]
    run: Callable[[Any, dict[str, Array]], list[Array]]
    lacks: Callable[[BaseException], bool]
    helpers: tuple[Callable[..., Any], ...] = ()
    doubt: Callable[[Any, Case], Exception | None] | None = None
    declared: Callable[[Any, dict[str, Array], list[Array]], tuple[int, str] | None] | None = None
    rounded: Callable[[Any], frozenset[float]] | None = None
    plain: Run | None = None
    reference: Run | None = None
    unable: Callable[[BaseException], bool] = lambda error: False
    is_onnx: bool = False
    has_optimizers: bool = False

    def execute(self, model: Any, inputs: Values) -> list[Array]:
        """The outputs, as a case has them. model: what `load` takes. Raises what the runtime raises."""
        return self.run(self.load(model), dict(inputs))
