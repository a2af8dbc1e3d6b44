"""`@operator(...)`, and what it refuses.

It turns a shape rule into an `Operator`: the function's name is the operator's, its docstring the documentation, its
body the rule. The declaration is checked where it stands, so that a mistake names operator and field there instead of
failing in every case later.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from numbers import Real
from typing import Any

import msgspec

from graphfuzz.errors import SpecError
from graphfuzz.spec import dtypes as dtype_groups
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.operator import FRAMEWORKS, MAX_RANK, Bounds, Emission, Operator, Parameter, Returns
from graphfuzz.spec.trial import Problem, rule_problems, template_problem


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
    spacings: float = 0.0,
    empty: bool = False,
    special: Sequence[str] = (),
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
    spacings: by how many spacings of the output's largest magnitude good implementations differ, where that is more
        than the rounding of each element.
    empty: whether operands may have axes of size zero.
    special: the frameworks that define the result where some float operands' elements are NaN or infinite (the others
        are in the domain, and `defined` holds), by IEEE 754 or their documentation; it is what the reference makes.
    torch, keras: the emissions; leave out where a framework has no such operator.

    Raises SpecError, naming operator and field, for a declaration that cannot work; the rule is run a few times for it.
    """

    def declare(rule: Callable[..., Any]) -> Operator:
        variables = dtypes if isinstance(dtypes, Mapping) else {"T": dtypes}
        choices = {variable: tuple(names) for variable, names in variables.items()}
        emissions = {"torch": torch, "keras": keras}
        declared = Operator(
            name=rule.__name__,
            doc=inspect.cleandoc(rule.__doc__ or ""),
            parameters=parameters,
            attrs=dict(attrs or {}),
            variables=choices,
            returns=(returns,) if isinstance(returns, str) or callable(returns) else tuple(returns),
            rule=rule,
            reference=reference,
            emissions={f: _complete(e, f, choices) for f, e in emissions.items() if e is not None},
            domain=domain,
            defined=defined,
            propose=propose,
            compared=compared,
            spacings=spacings,
            empty=empty,
            special=tuple(special),
        )
        return checked(declared)

    return declare


def checked(op: Operator) -> Operator:
    """The operator itself. Raises SpecError, naming operator and field, where it cannot work."""
    for field, what in _problems(op):
        raise SpecError(f"operator '{op.name}', field '{field}': {what}")
    return op


def _complete(
    given: str | Callable[..., str] | Emission, framework: str, variables: Mapping[str, tuple[str, ...]]
) -> Emission:
    """The emission, limited to the dtypes that are common in the framework where it does not say itself."""
    made = given if isinstance(given, Emission) else Emission(given)
    return msgspec.structs.replace(made, dtypes={**common_dtypes(framework, variables), **made.dtypes})


def common_dtypes(framework: str, variables: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """To which dtypes an emission is limited that states none: those that most kernels of the framework know."""
    uncommon = dtype_groups.UNCOMMON.get(framework, ())
    common = {v: tuple(d for d in names if d not in uncommon) for v, names in variables.items()}
    return {v: names for v, names in common.items() if names and names != variables[v]}


def _problems(op: Operator) -> Iterator[Problem]:
    """What does not fit, in an order in which each check may rely on those before it."""
    if not op.doc:
        yield "docstring", "is missing; the rule's docstring is the operator's documentation"
    fields = (_names, _dtypes, _parameters, _returns, _attributes, _functions, _signature, _emissions)
    yield from chain.from_iterable(check(op) for check in (*fields, rule_problems, _templates))


def _names(op: Operator) -> Iterator[Problem]:
    names = [p.name for p in op.parameters] + list(op.attrs)
    for name in names:
        if not name.isidentifier() or names.count(name) > 1 or name in ("require", "layer"):
            yield "parameters", f"'{name}' is no usable name, or is used twice"
    if all(p.role == "weight" or 0 in p.arity for p in op.parameters):
        yield "parameters", "at least one operand that is no weight is needed"


def _dtypes(op: Operator) -> Iterator[Problem]:
    for variable, choices in op.variables.items():
        unknown = [d for d in choices if d not in dtype_groups.KNOWN]
        if unknown:
            yield "dtypes", f"variable {variable} has unknown dtypes {unknown}"
        if not choices:
            yield "dtypes", f"{variable} is empty"


def _parameters(op: Operator) -> Iterator[Problem]:
    known = set(op.variables) | dtype_groups.KNOWN
    for parameter in op.parameters:
        name = f"'{parameter.name}'"
        if parameter.dtype not in known:
            yield "parameters", f"{name} has dtype '{parameter.dtype}', neither variable nor dtype"
        if not _whole(parameter.ranks, 0, MAX_RANK):
            yield "parameters", f"{name} has ranks {list(parameter.ranks)}; ranks are at least one of 0 to {MAX_RANK}"
        if not _whole(parameter.arity, 0, math.inf):
            yield "parameters", f"{name} has the arities {list(parameter.arity)}; arities are at least one count"
        if parameter.variadic and parameter is not op.parameters[-1]:
            yield "parameters", f"variadic {name} must come last"
        if not (callable(parameter.domain) or _is_domain(parameter.domain)):
            yield "parameters", f"{name} has the domain {parameter.domain!r}; {_DOMAIN}, or a function that gives it"
    if not _is_domain(op.domain):
        yield "domain", f"is {op.domain!r}; {_DOMAIN}"


_DOMAIN = "a domain is (low, high), finite numbers with low <= high"


def _whole(numbers: Sequence[Any], low: float, high: float) -> bool:
    return bool(numbers) and all(isinstance(n, int) and low <= n <= high for n in numbers)


def _is_domain(domain: Any) -> bool:
    if domain is None:
        return True
    pair = isinstance(domain, tuple | list) and len(domain) == 2
    return pair and all(isinstance(b, Real) and math.isfinite(b) for b in domain) and bool(domain[0] <= domain[1])


def _returns(op: Operator) -> Iterator[Problem]:
    if not op.returns:
        yield "returns", "is empty; an operator has at least one output"
    for result in op.returns:
        known = isinstance(result, str) and (result in op.variables or result in dtype_groups.KNOWN)
        if not (known or callable(result)):
            yield "returns", f"'{result}' is neither a variable nor a dtype"


def _attributes(op: Operator) -> Iterator[Problem]:
    operands = [p.name for p in op.parameters]
    for name, kind in op.attrs.items():
        if not (callable(getattr(kind, "draw", None)) and callable(getattr(kind, "problem", None))):
            yield f"attrs.{name}", f"is {kind!r}, no kind of attribute; use size(), axis(), flag(), ..."
        for field in ("of", "per"):
            target = getattr(kind, field, None)
            if target is not None and target not in operands:
                yield f"attrs.{name}", f"refers to the operand '{target}', which does not exist"


def _functions(op: Operator) -> Iterator[Problem]:
    if not callable(op.reference):
        yield "reference", f"is {op.reference!r}, not a function"
    for field, given in (("defined", op.defined), ("propose", op.propose)):
        if not (given is None or callable(given)):
            yield field, f"is {given!r}, not a function"


def _signature(op: Operator) -> Iterator[Problem]:
    signature = inspect.signature(op.rule).parameters.values()
    kinds = inspect.Parameter
    if any(p.kind is kinds.VAR_KEYWORD for p in signature):
        yield "rule", "takes **keywords; name the attributes"
    takes = [p.name for p in signature if p.kind is not kinds.KEYWORD_ONLY][1:]
    if takes != [p.name for p in op.parameters]:
        yield "rule", f"takes operands {takes}, the declaration has {[p.name for p in op.parameters]}"
    keywords = {p.name for p in signature if p.kind is kinds.KEYWORD_ONLY}
    if keywords != set(op.attrs):
        yield "rule", f"takes attributes {sorted(keywords)}, the declaration has {sorted(op.attrs)}"


def _emissions(op: Operator) -> Iterator[Problem]:
    if not op.emissions:
        yield "torch, keras", "at least one framework must have an emission"
    if not set(op.special) <= set(FRAMEWORKS):
        yield "special", f"is {op.special!r}; frameworks are {' and '.join(FRAMEWORKS)}"
    for framework, emission in op.emissions.items():
        for variable, limited in emission.dtypes.items():
            if not limited or not set(limited) <= set(op.variables.get(variable, ())):
                yield f"{framework}.dtypes", f"are empty, or not among the signature's for '{variable}'"
        if not all(callable(defect.when) and defect.what and defect.source for defect in emission.defects):
            yield f"{framework}.defects", "lack what, when (a function) or source"
        try:
            ast.parse(emission.helper)
        except SyntaxError as error:
            yield f"{framework}.helper", f"is no Python source: {error.msg}, line {error.lineno}"


def _templates(op: Operator) -> Iterator[Problem]:
    for framework, emission in op.emissions.items():
        layer = [] if emission.layer is None else [emission.layer]
        state = () if callable(emission.state) else emission.state
        for text in (emission.call, *layer, *(expression for _, expression in state)):
            problem = template_problem(op, text, bool(layer))
            if problem:
                yield framework, problem
