"""Equal forms of one computation, exact or exact but for rounding: what optimizers do, undone; and what they undo."""

from __future__ import annotations

from typing import Any

from graphfuzz.spec import ANY, BOOL, COMPLEX, FLOATS, REAL, SIGNED, Net, Rewrite, rewrite

AXES = range(1, 7)
COPIES = "identity_layer | positive | contiguous | tf_identity | copy | detach | alias"


def _halves(net: Net, size: int) -> tuple[int, int]:
    """A size in two, at any place."""
    net.require(size > 1, "there are two parts")
    first = net.rng.randint(1, size - 1)
    return first, size - first


# Any value again.


@rewrite(dtypes=ANY)
def copied(net: Net, x: Any) -> Any:
    """What does nothing."""
    return net(COPIES, x)


@rewrite(dtypes=REAL)
def times_one(net: Net, x: Any) -> Any:
    """x * 1"""
    return net("multiply_number", x, number=1)


@rewrite(dtypes=REAL)
def extreme_of_itself(net: Net, x: Any) -> Any:
    """The larger of x and x, or the smaller."""
    return net("maximum | minimum", x, x)


@rewrite(dtypes=(*FLOATS, *SIGNED, *COMPLEX))
def negated_twice(net: Net, x: Any) -> Any:
    """-(-x)"""
    return net("negative", net("negative", x))


@rewrite(dtypes=BOOL)
def not_not(net: Net, x: Any) -> Any:
    """Twice the opposite."""
    return net("logical_not", net("logical_not", x))


@rewrite(dtypes=ANY, ranks=AXES)
def transposed_twice(net: Net, x: Any) -> Any:
    """The axes in another order and back."""
    order = net.rng.sample(range(len(x.shape)), len(x.shape))
    back = tuple(order.index(axis) for axis in range(len(order)))
    return net("transpose", net("transpose", x, order=tuple(order)), order=back)


@rewrite(dtypes=ANY, ranks=range(2, 7))
def exchanged_twice(net: Net, x: Any) -> Any:
    """The last two axes exchanged, and exchanged again."""
    return net("matrix_transpose", net("matrix_transpose", x))


@rewrite(dtypes=ANY)
def reshaped_twice(net: Net, x: Any) -> Any:
    """Another shape and back."""
    return net("reshape", net("reshape | ravel", x), shape=x.shape)


@rewrite(dtypes=ANY, ranks=range(6))
def axis_added(net: Net, x: Any) -> Any:
    """An axis of size one put in and taken away."""
    axis = net.rng.randrange(len(x.shape) + 1)
    return net("squeeze", net("unsqueeze", x, axis=axis), axis=axis)


@rewrite(dtypes=ANY, ranks=AXES)
def flipped_twice(net: Net, x: Any) -> Any:
    """Entries in reverse, and again."""
    axes = (net.rng.randrange(len(x.shape)),)
    return net("flip", net("flip", x, axes=axes), axes=axes)


@rewrite(dtypes=ANY, ranks=AXES)
def rolled_back(net: Net, x: Any) -> Any:
    """The entries of an axis moved along and back."""
    axis, shift = net.rng.randrange(len(x.shape)), net.rng.randint(1, 5)
    return net("roll", net("roll", x, axis=axis, shift=shift), axis=axis, shift=-shift)


@rewrite(dtypes=ANY, ranks=AXES)
def cut_and_joined(net: Net, x: Any) -> Any:
    """Two sections of an axis, end to end."""
    axis = net.rng.randrange(len(x.shape))
    return net("concat", *net("split", x, axis=axis, sections=_halves(net, x.shape[axis])), axis=axis)


@rewrite(dtypes=ANY, ranks=AXES)
def unstacked_and_stacked(net: Net, x: Any) -> Any:
    """The entries of an axis one by one, and stacked again."""
    axis = net.rng.randrange(len(x.shape))
    entries = net("unstack", x, axis=axis, count=x.shape[axis])
    return net("stack", *entries, axis=axis)


@rewrite(dtypes=ANY)
def chosen_from_itself(net: Net, x: Any) -> Any:
    """x where it is x, else x."""
    return net("where", net("equal", x, x), x, x)


# Uses of operators again.


def _commuted(op: str) -> Rewrite:
    def commuted(net: Net, x: Any, y: Any) -> Any:
        """The operands exchanged."""
        return net(op, y, x)

    commuted.__name__ = f"{op}_commuted"
    return rewrite(op)(commuted)


COMMUTATIVE = (
    "add",
    "multiply",
    "maximum",
    "minimum",
    "equal",
    "not_equal",
    "logaddexp",
    "hypotenuse",
    *(f"{kind}_{op}" for kind in ("logical", "bitwise") for op in ("and", "or", "xor")),
)


@rewrite("subtract", dtypes=(*FLOATS, *SIGNED))
def added_negative(net: Net, x: Any, y: Any) -> Any:
    """x + (-y)"""
    return net("add", x, net("negative", y))


@rewrite("subtract", dtypes=(*FLOATS, *SIGNED))
def negative_difference(net: Net, x: Any, y: Any) -> Any:
    """-(y - x)"""
    return net("negative", net("subtract", y, x))


@rewrite("less")
def turned_less(net: Net, x: Any, y: Any) -> Any:
    """y > x"""
    return net("greater", y, x)


@rewrite("greater")
def turned_greater(net: Net, x: Any, y: Any) -> Any:
    """y < x"""
    return net("less", y, x)


@rewrite("less_equal")
def not_greater(net: Net, x: Any, y: Any) -> Any:
    """The opposite of x > y."""
    return net("logical_not", net("greater", x, y))


@rewrite("greater_equal")
def not_less(net: Net, x: Any, y: Any) -> Any:
    """The opposite of x < y."""
    return net("logical_not", net("less", x, y))


@rewrite("square")
def multiplied_by_itself(net: Net, x: Any) -> Any:
    """x * x"""
    return net("multiply", x, x)


@rewrite("absolute", dtypes=(*FLOATS, *SIGNED))
def larger_of_both_signs(net: Net, x: Any) -> Any:
    """The larger of x and -x."""
    return net("maximum", x, net("negative", x))


@rewrite("silu")
def times_its_sigmoid(net: Net, x: Any) -> Any:
    """x * sigmoid(x)"""
    return net("multiply", x, net("sigmoid", x))


@rewrite("matmul", dtypes=FLOATS, ranks=range(2, 7))
def product_of_parts(net: Net, x: Any, y: Any) -> Any:
    """The sum of two products, of the sections of what is summed over."""
    net.require(len(y.shape) > 1, "the second is no vector")
    parts = _halves(net, x.shape[-1])
    left, right = net("split", x, axis=-1, sections=parts), net("split", y, axis=-2, sections=parts)
    return net("add", net("matmul", left[0], right[0]), net("matmul", left[1], right[1]))


@rewrite("matmul", ranks=range(2, 7))
def product_of_transposes(net: Net, x: Any, y: Any) -> Any:
    """(y^T x^T)^T"""
    net.require(len(y.shape) > 1, "the second is no vector")
    turned = (net("matrix_transpose", operand) for operand in (y, x))
    return net("matrix_transpose", net("matmul", *turned))


@rewrite("sum_along", ranks=AXES)
def sum_of_parts(net: Net, x: Any, *, axis: int, keepdims: bool) -> Any:
    """The sum of two sections' sums."""
    parts = net("split", x, axis=axis, sections=_halves(net, x.shape[axis]))
    return net("add", *(net("sum_along", part, axis=axis, keepdims=keepdims) for part in parts))


@rewrite("max", dtypes=(*FLOATS, *SIGNED))
def least_of_negative(net: Net, x: Any, **how: Any) -> Any:
    """-min(-x)"""
    return net("negative", net("min", net("negative", x), **how))


@rewrite("min", dtypes=(*FLOATS, *SIGNED))
def greatest_of_negative(net: Net, x: Any, **how: Any) -> Any:
    """-max(-x)"""
    return net("negative", net("max", net("negative", x), **how))


@rewrite("softmax", "softmax_layer")
def exponential_of_logarithm(net: Net, x: Any, *, axis: int) -> Any:
    """exp(log_softmax(x))"""
    return net("exp", net("log_softmax", x, axis=axis))


@rewrite("linear")
def as_a_layer(net: Net, x: Any, kernel: Any, bias: Any) -> Any:
    """The affine map as a layer with parameters of its own."""
    return net("dense", x, kernel, bias)


@rewrite("dense")
def as_a_function(net: Net, x: Any, kernel: Any, bias: Any) -> Any:
    """The layer as a function."""
    return net("linear", x, kernel, bias)


REWRITES: list[Rewrite] = [
    *map(_commuted, COMMUTATIVE),
    copied,
    times_one,
    extreme_of_itself,
    negated_twice,
    not_not,
    transposed_twice,
    exchanged_twice,
    reshaped_twice,
    axis_added,
    flipped_twice,
    rolled_back,
    cut_and_joined,
    unstacked_and_stacked,
    chosen_from_itself,
    added_negative,
    negative_difference,
    turned_less,
    turned_greater,
    not_greater,
    not_less,
    multiplied_by_itself,
    larger_of_both_signs,
    times_its_sigmoid,
    product_of_parts,
    product_of_transposes,
    sum_of_parts,
    least_of_negative,
    greatest_of_negative,
    exponential_of_logarithm,
    as_a_layer,
    as_a_function,
]
