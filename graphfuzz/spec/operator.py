"""One operator: its signature, shape rule, reference, emissions and domain, in one record.

`@operator(...)` turns a shape rule into an `Operator`: the function's name is the operator's, its docstring the
documentation, its body the rule. The declaration is checked where it stands; a mistake names operator and field.
"""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from graphfuzz.errors import SpecError
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


class Require(Protocol):
    """States what a valid use fulfills; the reason completes the sentence "it is required that ..."."""

    def __call__(self, truth: Any, reason: str) -> None: ...


class Parameter(msgspec.Struct, frozen=True):
    """One tensor operand (several, where `arity` says so).

    role: "tensor" may be any live tensor, "weight" belongs to the model and is made for the node, "index" holds
    integers that point into something and is made for the node unless a live tensor happens to fit.
    dtype: a variable of the signature, or a dtype. domain: the values (inclusive) it is defined for, or a function of
    the operands (as `Tensor`, by name) and attributes that gives them; None: the operator's own.
    """

    name: str
    dtype: str = "T"
    ranks: tuple[int, ...] = tuple(range(MAX_RANK + 1))
    role: str = "tensor"
    arity: tuple[int, ...] = (1,)
    domain: Bounds | Callable[..., Bounds] | None = None

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
) -> Parameter:
    """A tensor operand of any of these ranks (0 to 6 unless told)."""
    return Parameter(name, dtype, _ranks(rank), "tensor", (1,), domain)


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
    domain: Bounds | Callable[..., Bounds] | None = None,
) -> Parameter:
    """Several operands of one dtype and, unless the rule says otherwise, of any ranks; always the last parameter."""
    return Parameter(name, dtype, _ranks(rank), "tensor", tuple(arity), domain)


class Emission(msgspec.Struct, frozen=True):
    """How one framework writes the operator.

    call: an expression template over parameter and attribute names, or a function of them that returns the text.
        Operands arrive as their variable's name (with .dtype, .shape, .rank), a variadic one as a comma-joined list.
    layer: where the operator is a layer: the expression that constructs it; `call` then uses {layer}.
    state: where the layer's own parameters come from: (torch: its parameter's name; Keras: in `get_weights()` order,
        any label) paired with an expression over the weights, which are NumPy arrays there.
    dtypes: the dtypes this framework has a kernel for, by variable, where it has fewer than the signature.
    """

    call: str | Callable[..., str]
    layer: str | Callable[..., str] | None = None
    state: tuple[tuple[str, str], ...] = ()
    dtypes: Mapping[str, tuple[str, ...]] = {}


def emission(
    call: str | Callable[..., str],
    *,
    dtypes: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    layer: str | Callable[..., str] | None = None,
    state: Mapping[str, str] | None = None,
) -> Emission:
    """An emission with more to say than its call; a bare sequence of dtypes stands for the variable T."""
    if dtypes is None:
        limits: Mapping[str, Sequence[str]] = {}
    else:
        limits = dtypes if isinstance(dtypes, Mapping) else {"T": dtypes}
    fixed = {variable: tuple(names) for variable, names in limits.items()}
    return Emission(call, layer, tuple((state or {}).items()), fixed)


class Operator(msgspec.Struct, frozen=True):
    """One entry of the operator-spec library; see `operator` for the fields."""

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

    def __repr__(self) -> str:
        return f"<operator {self.name}>"


def operator(
    *parameters: Parameter,
    attrs: Mapping[str, Attribute] | None = None,
    dtypes: Sequence[str] | Mapping[str, Sequence[str]],
    returns: Returns | Sequence[Returns] = "T",
    reference: Callable[..., Any],
    domain: Bounds | None = None,
    defined: Callable[..., bool] | None = None,
    propose: Callable[..., Mapping[str, Any]] | None = None,
    compared: bool = True,
    torch: str | Callable[..., str] | Emission | None = None,
    keras: str | Callable[..., str] | Emission | None = None,
) -> Callable[[Callable[..., Any]], Operator]:
    """Declare an operator around its shape rule `rule(require, *operands, **attributes)`.

    The rule returns the output's shape, or a list of shapes for several outputs, and states through `require` what a
    valid use fulfills. It must hold over `int` and over `Dim` alike.

    dtypes: the dtypes of each variable of the signature; a bare sequence is for the variable "T".
    returns: each output's dtype; one for all, or one for each output.
    reference: NumPy arrays in, NumPy array (or a sequence of them) out; must work for widened floats too.
    domain: the float values (inclusive) every operand without a domain of its own is defined for.
    defined: on the operands' arrays and the attributes: whether the result is defined by both frameworks (no ties, no
        division by zero, ...). Uses for which it is false are not generated.
    propose: `propose(rng, operands, attributes)` replaces drawn attributes by ones likely to satisfy the rule.
    compared: false where the values (not dtype and shape) are the implementation's choice.
    torch, keras: the emissions; leave out where a framework has no such operator.

    Raises SpecError, naming operator and field, for a declaration that cannot work.
    """

    def declare(rule: Callable[..., Any]) -> Operator:
        variables = dtypes if isinstance(dtypes, Mapping) else {"T": dtypes}
        emissions = {"torch": torch, "keras": keras}
        declared = Operator(
            name=rule.__name__,
            doc=inspect.cleandoc(rule.__doc__ or ""),
            parameters=parameters,
            attrs=dict(attrs or {}),
            variables={variable: tuple(names) for variable, names in variables.items()},
            returns=(returns,) if isinstance(returns, str) or callable(returns) else tuple(returns),
            rule=rule,
            reference=reference,
            emissions={f: _as_emission(e) for f, e in emissions.items() if e is not None},
            domain=domain,
            defined=defined,
            propose=propose,
            compared=compared,
        )
        _check(declared)
        return declared

    return declare


def _as_emission(given: str | Callable[..., str] | Emission) -> Emission:
    return given if isinstance(given, Emission) else Emission(given)


def _check(op: Operator) -> None:
    """Refuse a declaration whose fields do not fit each other."""

    def mistake(field: str, what: str) -> SpecError:
        return SpecError(f"operator '{op.name}', field '{field}': {what}")

    if not op.doc:
        raise mistake("docstring", "is missing; the rule's docstring is the operator's documentation")
    names = [p.name for p in op.parameters] + list(op.attrs)
    for name in names:
        if not name.isidentifier() or names.count(name) > 1 or name in ("require", "layer"):
            raise mistake("parameters", f"'{name}' is no usable name, or is used twice")
    if all(p.role == "weight" for p in op.parameters):
        raise mistake("parameters", "at least one tensor(), index() or variadic() operand is needed")
    for variable, choices in op.variables.items():
        unknown = [d for d in choices if d not in dtype_groups.KNOWN]
        if unknown or not choices:
            raise mistake(
                "dtypes", f"variable {variable} has unknown dtypes {unknown}" if unknown else f"{variable} is empty"
            )
    known = set(op.variables) | dtype_groups.KNOWN
    for parameter in op.parameters:
        if parameter.dtype not in known:
            raise mistake("parameters", f"'{parameter.name}' has dtype '{parameter.dtype}', neither variable nor dtype")
        if parameter.variadic and parameter is not op.parameters[-1]:
            raise mistake("parameters", f"variadic '{parameter.name}' must come last")
    for result in op.returns:
        if isinstance(result, str) and result not in known:
            raise mistake("returns", f"'{result}' is neither a variable nor a dtype")
    for name, attribute in op.attrs.items():
        for field in ("of", "per"):
            target = getattr(attribute, field, None)
            if target is not None and target not in [p.name for p in op.parameters]:
                raise mistake(f"attrs.{name}", f"refers to the operand '{target}', which does not exist")
    _check_rule(op, mistake)
    if not op.emissions:
        raise mistake("torch, keras", "at least one framework must have an emission")
    for framework, emission_ in op.emissions.items():
        for text in (emission_.call, emission_.layer, *(e for _, e in emission_.state)):
            problem = _template_problem(text, [*names, "layer"])
            if problem:
                raise mistake(framework, problem)
        for variable, limited in emission_.dtypes.items():
            if not set(limited) <= set(op.variables.get(variable, ())):
                raise mistake(f"{framework}.dtypes", f"are not among the signature's for '{variable}'")


def _check_rule(op: Operator, mistake: Callable[[str, str], SpecError]) -> None:
    signature = inspect.signature(op.rule).parameters.values()
    kinds = inspect.Parameter
    if any(p.kind is kinds.VAR_KEYWORD for p in signature):
        raise mistake("rule", "takes **keywords; name the attributes")
    takes = [p.name for p in signature if p.kind is not kinds.KEYWORD_ONLY][1:]
    if takes != [p.name for p in op.parameters]:
        raise mistake("rule", f"takes operands {takes}, the declaration has {[p.name for p in op.parameters]}")
    keywords = {p.name for p in signature if p.kind is kinds.KEYWORD_ONLY}
    if keywords != set(op.attrs):
        raise mistake("rule", f"takes attributes {sorted(keywords)}, the declaration has {sorted(op.attrs)}")


def _template_problem(text: Any, names: Sequence[str]) -> str | None:
    if not isinstance(text, str):
        return None
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
    except ValueError as error:
        return f"template {text!r}: {error}"
    unknown = [field for field in fields if field.split(".")[0].split("[")[0] not in names]
    return f"template {text!r} uses {unknown}, neither operands nor attributes" if unknown else None


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
