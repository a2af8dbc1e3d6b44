"""What the elementwise modules share: family constructors, dtypes of results, domains by dtype."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    ANY,
    BOOL,
    FLOATS,
    FRAMEWORKS,
    INTEGERS,
    UNSIGNED,
    Emission,
    Operator,
    Require,
    Shape,
    Tensor,
    broadcast,
    named,
    operator,
    tensor,
)
from graphfuzz.spec.attributes import Attribute
from graphfuzz.spec.dtypes import is_float, promoted
from graphfuzz.spec.families import Emitted
from graphfuzz.spec.operator import Bounds, Returns
from operators.precision import Array


def in_float(*variables: str) -> Returns:
    """The float dtype in which the operands' dtypes meet; float32 where none is a float."""

    def result(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
        dtype = bound[variables[0]]
        for variable in variables[1:]:
            dtype = promoted(dtype, bound[variable])
        return dtype if is_float(dtype) else "float32"

    return result


def met_number(framework: str, bound: Mapping[str, str], attrs: Mapping[str, Any]) -> str:
    """The dtype in which T meets the Python scalar `number`: the scalar widens T only to its own category.

    https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc, and Keras'
    `keras/src/backend/common/dtypes.py`. They differ on a bool beside an int.
    """
    dtype, number = bound["T"], attrs["number"]
    if isinstance(number, float):
        return dtype if is_float(dtype) else "float32"
    if dtype in BOOL and not isinstance(number, bool):
        return "int64" if framework == "torch" else "int32"
    return dtype


def by_dtype(name: str, floats: Bounds, integers: Bounds) -> Callable[..., Bounds]:
    """Bounds that depend on the dtype of the operand `name`; those of unsigned integers start at zero at the least."""

    def bounds(**named: Any) -> Bounds:
        dtype = named[name].dtype
        low, high = floats if is_float(dtype) else integers
        return (max(low, 0), high) if dtype in UNSIGNED else (low, high)

    return bounds


def all_dtypes(call: str | Callable[..., str], dtypes: Sequence[str] = ANY) -> Emission:
    """An emission that has a kernel for the wide unsigned integers, too."""
    return Emission(call, dtypes={"T": tuple(dtypes)})


def floating(
    name: str,
    doc: str,
    *,
    domain: Bounds,
    reference: Callable[..., Any],
    torch: Emitted = None,
    keras: Emitted = None,
    integers: Sequence[str] = (*INTEGERS, *BOOL),
    keras_integers: Sequence[str] = (),
    defined: Callable[..., bool] | None = None,
    special: Sequence[str] = FRAMEWORKS,
) -> Operator:
    """A function of each element that makes a float of any number: of an integer or bool, float32.

    integers, keras_integers: which dtypes but floats PyTorch and Keras take at the most. Integers are small ones
    inside `domain`. special: as in `operator`; C's functions have values there (C99, annex F.9).
    """

    def rule(require: Require, x: Tensor) -> Shape:
        return x.shape

    whole = (max(int(np.ceil(domain[0])), -10), min(int(np.floor(domain[1])), 20))
    in_torch = _of_dtypes(torch, _with_zero(whole, integers))
    in_keras = _of_dtypes(keras, _with_zero(whole, keras_integers))
    dtypes = [d for d in ANY if any(e is not None and d in e.dtypes["T"] for e in (in_torch, in_keras))]
    declare = operator(
        tensor("x", domain=by_dtype("x", domain, whole)),
        dtypes=dtypes,
        returns=in_float("T"),
        reference=reference,
        defined=defined,
        empty=True,
        special=special,
        torch=in_torch,
        keras=in_keras,
    )
    return declare(named(name, doc, rule))


def _with_zero(whole: tuple[int, int], integers: Sequence[str]) -> list[str]:
    """The floats and the integers; bool only where zero and one lie in the range of whole numbers, and nothing else
    where that is empty."""
    allowed = [d for d in integers if d not in BOOL or whole[0] <= 0 <= 1 <= whole[1]]
    return [*FLOATS, *(allowed if whole[0] <= whole[1] else ())]


def _of_dtypes(given: Emitted, dtypes: Sequence[str]) -> Emission | None:
    """The emission with these dtypes, less those that it lacks by its own account."""
    if given is None:
        return None
    made = given if isinstance(given, Emission) else Emission(given)
    kept = tuple(d for d in dtypes if d in made.dtypes.get("T", dtypes))
    return msgspec.structs.replace(made, dtypes={"T": kept})


def with_number(
    name: str,
    doc: str,
    numbers: Attribute,
    dtypes: Sequence[str],
    *,
    reference: Callable[..., Any],
    rank: Sequence[int] | None = None,
    domain: Callable[..., Bounds] | Bounds | None = None,
    returns: Returns = met_number,
    defined: Callable[..., bool] | None = None,
    special: Sequence[str] = FRAMEWORKS,
    torch: Emitted = None,
    keras: Emitted = None,
) -> Operator:
    """An operator on each element and one Python scalar, `number`, which is not negative beside unsigned integers.

    special: as in `operator`; IEEE 754 has arithmetic and comparisons with one number.
    """

    def rule(require: Require, x: Tensor, *, number: Any) -> Shape:
        require(x.dtype not in UNSIGNED or isinstance(number, float) or number >= 0, "the scalar exists in the dtype")
        return x.shape

    declare = operator(
        tensor("x", rank=rank, domain=domain),
        attrs={"number": numbers},
        dtypes=dtypes,
        returns=returns,
        reference=reference,
        defined=defined,
        empty=True,
        special=special,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc, rule))


def ternary(
    name: str,
    doc: str,
    dtypes: Sequence[str],
    *,
    attrs: Mapping[str, Attribute] | None = None,
    reference: Callable[..., Any],
    last: Bounds | Callable[..., Bounds] | None = None,
    defined: Callable[..., bool] | None = None,
    special: Sequence[str] = FRAMEWORKS,
    torch: Emitted = None,
    keras: Emitted = None,
) -> Operator:
    """An operator on each triple of elements of `x`, `y` and `z`, which are broadcast; `last` is z's own domain.

    special: as in `operator`; IEEE 754 has arithmetic.
    """
    rule = _ternary_rule(tuple(attrs or ()))
    declare = operator(
        tensor("x"),
        tensor("y"),
        tensor("z", domain=last),
        attrs=attrs,
        dtypes=dtypes,
        reference=reference,
        defined=defined,
        empty=True,
        special=special,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc, rule))


def _ternary_rule(attributes: tuple[str, ...]) -> Callable[..., Shape]:
    def plain(require: Require, x: Tensor, y: Tensor, z: Tensor) -> Shape:
        return broadcast(require, x.shape, y.shape, z.shape)

    def valued(require: Require, x: Tensor, y: Tensor, z: Tensor, *, value: Any) -> Shape:
        return broadcast(require, x.shape, y.shape, z.shape)

    return valued if attributes else plain


def promotes_alike(x: Tensor, y: Tensor) -> bool:
    """Whether PyTorch promotes as Keras does: a tensor without axes counts there only for its category of dtypes.

    https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
    """
    if (x.rank == 0) == (y.rank == 0) or _category(x.dtype) != _category(y.dtype):
        return True
    return promoted(x.dtype, y.dtype) == (x if y.rank == 0 else y).dtype


def _category(dtype: str) -> str:
    return "float" if is_float(dtype) else "bool" if dtype in BOOL else "integer"


def mixed(
    name: str,
    doc: str,
    *,
    first: Sequence[str],
    second: Sequence[str],
    reference: Callable[..., Any],
    returns: Returns,
    divisor: Bounds | Callable[..., Bounds] | None = None,
    defined: Callable[..., bool] | None = None,
    special: Sequence[str] = FRAMEWORKS,
    torch: Emitted = None,
    keras: Emitted = None,
) -> Operator:
    """An operator on each pair of elements of operands of two dtypes (T and U), which are broadcast.

    special: as in `operator`; IEEE 754 has arithmetic and comparisons.
    """

    def rule(require: Require, x: Tensor, y: Tensor) -> Shape:
        require(promotes_alike(x, y), "a tensor without axes widens none with axes inside a category of dtypes")
        return broadcast(require, x.shape, y.shape)

    declare = operator(
        tensor("x"),
        tensor("y", "U", domain=divisor),
        dtypes={"T": first, "U": second},
        returns=returns,
        reference=reference,
        defined=defined,
        empty=True,
        special=special,
        torch=torch,
        keras=keras,
    )
    return declare(named(name, doc, rule))


def exact_quotient(x: Array, y: Array) -> bool:
    """Whether rounding down (or to zero) the quotients is safe: each is a whole number, or clearly none.

    Frameworks differ on whether x // y rounds the exact quotient or the one that division has rounded already.
    """
    with np.errstate(all="ignore"):
        quotient = np.asarray(x, np.float64) / np.asarray(y, np.float64)
        nearest = np.round(quotient)
        whole = nearest * np.asarray(y, np.float64) == np.asarray(x, np.float64)
        return bool(np.all(whole | (np.abs(quotient - nearest) > 0.01 * np.maximum(1, np.abs(quotient)))))
