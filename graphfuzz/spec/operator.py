"""One operator: its signature, shape rule, reference, emissions and domain, in one record.

`graphfuzz.spec.declaration` makes and checks it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from graphfuzz.spec import dtypes as dtype_groups
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.dims import Size

FRAMEWORKS = ("torch", "keras")
MAX_RANK = 6

Shape: TypeAlias = tuple[Size, ...]
Bounds: TypeAlias = tuple[float, float]
Returns: TypeAlias = "str | Callable[[str, Mapping[str, str], Mapping[str, Any]], str]"
"""An output's dtype: a variable, a dtype, or a function of (framework, bound variables, attributes)."""


class Rejected(Exception):
    """A rule refuses this use of its operator; the text is the requirement that does not hold."""


class Tensor:
    """An operand as a rule sees it: a dtype and sizes, known or not."""

    __slots__ = ("dtype", "shape")

    def __init__(self, dtype: str, shape: Shape) -> None:
        self.dtype = dtype
        self.shape = shape

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)


class Operand(str):
    """An operand as an emission sees it: the variable's name, with the type it will have."""

    dtype: str
    shape: tuple[int, ...]
    rank: int

    def __new__(cls, name: str, dtype: str, shape: tuple[int, ...]) -> Operand:
        made = super().__new__(cls, name)
        made.dtype, made.shape, made.rank = dtype, shape, len(shape)
        return made


class Operands(str):
    """A variadic parameter's operands as an emission sees them: their names joined by commas, `each` by itself."""

    each: tuple[Operand, ...]

    def __new__(cls, each: Sequence[Operand]) -> Operands:
        made = super().__new__(cls, ", ".join(each))
        made.each = tuple(each)
        return made


class Require(Protocol):
    """States what a valid use fulfills; the reason completes the sentence "it is required that ...".

    framework: whose use it is; for what a framework lacks in all of its kernels.
    """

    framework: str

    def __call__(self, truth: Any, reason: str) -> None: ...


class Parameter(msgspec.Struct, frozen=True):
    """One tensor operand (several, where `arity` says so).

    role: "tensor" may be any live tensor, "weight" belongs to the model and is made for the node, "index" holds
    integers that point into something and is made for the node unless a live tensor happens to fit.
    dtype: a variable of the signature, or a dtype. domain: the values (inclusive) it is defined for, or a function of
    the operands (as `Tensor`, by name) and attributes that gives them; None: the operator's own. least: the least
    magnitude of a value (a divisor's).
    """

    name: str
    dtype: str = "T"
    ranks: tuple[int, ...] = tuple(range(MAX_RANK + 1))
    role: str = "tensor"
    arity: tuple[int, ...] = (1,)
    domain: Bounds | Callable[..., Bounds] | None = None
    least: float = 0.0

    @property
    def variadic(self) -> bool:
        """Whether the rule receives it as *args."""
        return self.arity != (1,)


def _ranks(rank: int | Sequence[int] | None) -> tuple[int, ...]:
    if rank is None:
        return tuple(range(MAX_RANK + 1))
    return (rank,) if isinstance(rank, int) else tuple(rank)


def tensor(
    name: str,
    dtype: str = "T",
    *,
    rank: int | Sequence[int] | None = None,
    domain: Bounds | Callable[..., Bounds] | None = None,
    least: float = 0.0,
) -> Parameter:
    """A tensor operand of any of these ranks (0 to 6 unless told)."""
    return Parameter(name, dtype, _ranks(rank), "tensor", (1,), domain, least)


def weight(
    name: str,
    dtype: str = "T",
    *,
    rank: int | Sequence[int],
    domain: Bounds | Callable[..., Bounds] | None = None,
) -> Parameter:
    """An operand that is part of the model."""
    return Parameter(name, dtype, _ranks(rank), "weight", (1,), domain)


def index(
    name: str,
    dtype: str = "I",
    *,
    rank: int | Sequence[int] | None = None,
    domain: Bounds | Callable[..., Bounds],
) -> Parameter:
    """An operand of integers that point into another operand; `domain` gives the first and the last valid one."""
    return Parameter(name, dtype, _ranks(rank), "index", (1,), domain)


def variadic(
    name: str,
    arity: Sequence[int],
    dtype: str = "T",
    *,
    rank: int | Sequence[int] | None = None,
    role: str = "tensor",
    domain: Bounds | Callable[..., Bounds] | None = None,
) -> Parameter:
    """Several operands of one dtype and, unless the rule says otherwise, of any ranks; always the last parameter.

    An optional operand is one of arity (0, 1).
    """
    return Parameter(name, dtype, _ranks(rank), role, tuple(arity), domain)


class Defect(msgspec.Struct, frozen=True):
    """Uses of an operator for which a source framework itself is wrong, so that nothing can be learned from them.

    what: what it does there, as a sentence's end ("... where ..."). when: on the operands (as `Tensor`) and attributes,
    known or not, whether a use is one of them. source: an upstream issue, or the documentation that it contradicts.
    fatal: whether the framework may damage the whole process by it. release: where only some processors' kernels are
    wrong, the release of PyTorch or TensorFlow ("2.21") that they were seen in.
    Such uses are not generated; the conformance checks demand that the framework is still wrong there, unless that
    release is installed.
    """

    what: str
    when: Callable[..., Any]
    source: str
    fatal: bool = False
    release: str | None = None


class Emission(msgspec.Struct, frozen=True):
    """How one framework writes the operator.

    call: an expression template over parameter and attribute names, or a function of them that returns the text.
        Operands arrive as their variable's name (with .dtype, .shape, .rank), a variadic one as a comma-joined list
        (with .each).
    layer: where the operator is a layer: the expression that constructs it; `call` then uses {layer}.
    state: where the layer's own parameters come from: (torch: its parameter's name; Keras: in `get_weights()` order,
        any label) paired with an expression over the weights, which are NumPy arrays there; or a function, of what
        `call` gets, that returns such a mapping.
    dtypes: the dtypes this framework has a kernel for, by variable, where it has fewer than the signature.
    helper: Python source of functions, placed once above the model, which `call` uses.
    defects: uses for which this framework is wrong.
    """

    call: str | Callable[..., str]
    layer: str | Callable[..., str] | None = None
    state: tuple[tuple[str, str], ...] | Callable[..., Mapping[str, str]] = ()
    dtypes: Mapping[str, tuple[str, ...]] = {}
    helper: str = ""
    defects: tuple[Defect, ...] = ()


def emission(
    call: str | Callable[..., str],
    *,
    dtypes: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    layer: str | Callable[..., str] | None = None,
    state: Mapping[str, str] | Callable[..., Mapping[str, str]] | None = None,
    helper: str = "",
    defects: Sequence[Defect] = (),
) -> Emission:
    """An emission with more to say than its call; a bare sequence of dtypes stands for the variable T."""
    if dtypes is None:
        limits: Mapping[str, Sequence[str]] = {}
    else:
        limits = dtypes if isinstance(dtypes, Mapping) else {"T": dtypes}
    fixed = {variable: tuple(names) for variable, names in limits.items()}
    sources = state if callable(state) else tuple((state or {}).items())
    return Emission(call, layer, sources, fixed, textwrap.dedent(helper).strip(), tuple(defects))


class Operator(msgspec.Struct, frozen=True, eq=False):
    """One entry of the operator-spec library; see `declaration.operator` for the fields."""

    name: str
    doc: str
    parameters: tuple[Parameter, ...]
    attrs: Mapping[str, Attribute]
    variables: Mapping[str, tuple[str, ...]]
    returns: tuple[Returns, ...]
    rule: Callable[..., Any]
    reference: Callable[..., Any]
    emissions: Mapping[str, Emission]
    domain: Bounds | None
    defined: Callable[..., bool] | None
    propose: Callable[..., Mapping[str, Any]] | None
    compared: bool
    spacings: float
    empty: bool
    special: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<operator {self.name}>"


def promote(*variables: str) -> Returns:
    """The dtype in which the operands' dtypes meet."""

    def result(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
        dtype = bound[variables[0]]
        for variable in variables[1:]:
            dtype = dtype_groups.promoted(dtype, bound[variable])
        return dtype

    return result


def named_by(attribute: str) -> Returns:
    """The dtype that an attribute names."""
    return lambda framework, bound, attrs: str(attrs[attribute])


def by_framework(torch: Returns, keras: Returns) -> Returns:
    """A dtype on which the frameworks differ."""

    def result(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
        return resolve(torch if framework == "torch" else keras, framework, bound, attrs)

    return result


def resolve(returns: Returns, framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    """The dtype that a `returns` stands for, given the bound variables and the attributes."""
    return bound.get(returns, returns) if isinstance(returns, str) else returns(framework, bound, attrs)
