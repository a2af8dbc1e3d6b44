"""Products of vectors and matrices, and the layers made of them; `einsum.py` has those over named axes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    HALVES,
    REAL,
    SIGNED,
    Defect,
    Operand,
    Operands,
    Operator,
    Require,
    Shape,
    Tensor,
    axis,
    both,
    broadcast,
    choice,
    either,
    emission,
    flag,
    named,
    operator,
    tensor,
    variadic,
    weight,
)
from graphfuzz.spec.dtypes import is_float
from operators.activation import gelu_of, sigmoid_of
from operators.precision import Array, wide

DOMAIN = (-2.0, 2.0)

# Keras sums products of int8 as int32 for some ranks (two matrices) and not for others (a vector).
PRODUCTS = tuple(d for d in REAL if d not in ("int8", "uint64"))


def exact(product: Callable[..., Any]) -> Callable[..., bool]:
    """Whether integers stay exact on the way through float32, in which Keras multiplies their matrices."""

    def defined(*operands: Array, **attrs: Any) -> bool:
        if any(np.issubdtype(a.dtype, np.floating) for a in operands):
            return True
        return bool(np.max(product(*(np.abs(wide(a)) for a in operands), **attrs), initial=0) <= 2**24)

    return defined


def _product(x: Any, y: Any) -> Any:
    return wide(x) @ wide(y)


def matmul_shape(require: Require, x: Shape, y: Shape) -> Shape:
    """The shape of a matrix product over the last two axes; the axes before are broadcast.

    https://numpy.org/doc/stable/reference/generated/numpy.matmul.html
    """
    require(x[-1] == y[max(-2, -len(y))], "the inner sizes are equal")
    columns = y[-1:] if len(y) > 1 else ()
    return (*broadcast(require, x[:-2], y[:-2]), *x[-2:-1], *columns)


def stretches_wrongly(x: Tensor | Operand, y: Tensor | Operand) -> Any:
    """Whether TensorFlow would stretch y to batches (several, 1) of x's four axes, in float32 as its kernel has it."""
    if x.rank != 4 or y.rank not in (2, 3, 4) or x.dtype in ("float16", "float64"):
        return False
    return both(x.shape[1] == 1, x.shape[0] > 1, *(s == 1 for s in y.shape[:-2]))


STRETCHED = Defect(
    "multiplies float32[4, 1, 5, 2] by float32[1, 1, 2, 3] wrongly, and writes beyond its memory, by oneDNN's AVX-512",
    lambda x, y, **_: stretches_wrongly(x, y),
    "tf.linalg.matmul's definition, https://www.tensorflow.org/api_docs/python/tf/linalg/matmul; right with "
    "TF_ENABLE_ONEDNN_OPTS=0",
    fatal=True,
    release="2.21",
)


def product(
    name: str,
    x_rank: int,
    y_rank: int,
    *,
    torch: str | None = None,
    keras: str | None = None,
    doc: str,
) -> Operator:
    """A matrix product of operands of fixed ranks, by a name of its own."""

    def rule(require: Require, x: Tensor, y: Tensor) -> Shape:
        if x.rank == 3:
            require(x.shape[0] == y.shape[0], "there are as many matrices")
        return matmul_shape(require, x.shape, y.shape)

    declare = operator(
        tensor("x", rank=x_rank),
        tensor("y", rank=y_rank),
        dtypes=REAL,
        domain=DOMAIN,
        defined=exact(_product),
        reference=_product,
        empty=True,
        torch=torch,
        keras=None if keras is None else emission(keras, dtypes=PRODUCTS),
    )
    return declare(named(name, doc, rule))


@operator(
    tensor("x", rank=range(1, 7)),
    tensor("y", rank=range(1, 7)),
    dtypes=REAL,
    domain=DOMAIN,
    defined=exact(_product),
    reference=_product,
    torch="torch.matmul({x}, {y})",
    keras=emission("ops.matmul({x}, {y})", dtypes=PRODUCTS, defects=[STRETCHED]),
    empty=True,
)
def matmul(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The matrix product over the last two axes; the axes before them are broadcast, a vector gets (and loses) one."""
    return matmul_shape(require, x.shape, y.shape)


@operator(
    tensor("x", rank=range(2, 7)),
    tensor("y", rank=range(2, 7)),
    dtypes=("int8",),
    returns="int32",
    reference=_product,
    keras="ops.matmul({x}, {y})",
)
def matmul_int8(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The matrix product of int8, which Keras sums as int32."""
    return matmul_shape(require, x.shape, y.shape)


def _turned(x: Array, turned: bool) -> Array:
    return np.swapaxes(wide(x), -1, -2) if turned else wide(x)


def _turned_product(x: Array, y: Array, *, turn_x: bool, turn_y: bool, **_: Any) -> Array:
    return np.asarray(_turned(x, turn_x) @ _turned(y, turn_y))


def _turned_shape(x: Tensor, turned: bool) -> Shape:
    return (*x.shape[:-2], x.shape[-1], x.shape[-2]) if turned else x.shape


@operator(
    tensor("x", rank=range(2, 6)),
    tensor("y", rank=range(2, 6)),
    attrs={"turn_x": flag(), "turn_y": flag(), "adjoint": flag()},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_turned_product,
    torch=lambda x, y, turn_x, turn_y, adjoint: (
        f"torch.matmul({x}{('.mH' if adjoint else '.mT') * turn_x}, {y}{('.mH' if adjoint else '.mT') * turn_y})"
    ),
    keras=emission(
        "matmul_turned({x}, {y}, {turn_x}, {turn_y}, {adjoint})",
        helper="""
        def matmul_turned(x, y, turn_x, turn_y, adjoint):
            import tensorflow as tf

            def product(operands):
                if adjoint:
                    return tf.linalg.matmul(*operands, adjoint_a=turn_x, adjoint_b=turn_y)
                return tf.linalg.matmul(*operands, transpose_a=turn_x, transpose_b=turn_y)

            return layers.Lambda(product, dtype=x.dtype)([x, y])
        """,
        defects=[STRETCHED],
    ),
)
def matmul_turned(require: Require, x: Tensor, y: Tensor, *, turn_x: bool, turn_y: bool, adjoint: bool) -> Shape:
    """The matrix product of operands of which either may be transposed (or, the same here, adjoint) first."""
    return matmul_shape(require, _turned_shape(x, turn_x), _turned_shape(y, turn_y))


mm = product("mm", 2, 2, torch="torch.mm({x}, {y})", doc="The product of two matrices.")
matmul_operator = product(
    "matmul_operator", 2, 2, torch="{x} @ {y}", keras="{x} @ {y}", doc="The product of two matrices, as an operator."
)
bmm = product("bmm", 3, 3, torch="torch.bmm({x}, {y})", doc="The products of as many matrices.")
mv = product(
    "mv", 2, 1, torch="torch.mv({x}, {y})", keras="ops.dot({x}, {y})", doc="The product of a matrix and a vector."
)
dot = product(
    "dot", 1, 1, torch="torch.dot({x}, {y})", keras="ops.dot({x}, {y})", doc="The sum of products of two vectors."
)


@operator(
    tensor("x", rank=range(0, 5)),
    tensor("y", rank=range(0, 5)),
    dtypes=PRODUCTS,
    domain=DOMAIN,
    defined=exact(np.dot),
    reference=lambda x, y: np.dot(wide(x), wide(y)),
    keras=emission("ops.dot({x}, {y})", dtypes=PRODUCTS),
)
def dot_any(require: Require, x: Tensor, y: Tensor) -> Shape:
    """NumPy's dot: x's last axis against y's last but one (or only one); nothing is broadcast.

    https://numpy.org/doc/stable/reference/generated/numpy.dot.html
    """
    if x.rank == 0 or y.rank == 0:
        return (*x.shape, *y.shape)
    inner = y.shape[max(-2, -y.rank)]
    require(x.shape[-1] == inner, "the inner sizes are equal")
    return (*x.shape[:-1], *(y.shape[:-2] + y.shape[-1:] if y.rank > 1 else ()))


# Keras' own cannot become part of a TensorFlow graph: it traces the product of scalars too, whatever the shapes.
@operator(
    tensor("x", rank=range(1, 5)),
    tensor("y", rank=range(1, 4)),
    dtypes=REAL,
    domain=DOMAIN,
    defined=exact(np.inner),
    reference=lambda x, y: np.inner(wide(x), wide(y)),
    torch="torch.inner({x}, {y})",
)
def inner(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The sums of products along both last axes."""
    require(x.shape[-1] == y.shape[-1], "the last sizes are equal")
    return (*x.shape[:-1], *y.shape[:-1])


@operator(
    tensor("x", rank=1),
    tensor("y", rank=1),
    dtypes=REAL,
    domain=DOMAIN,
    reference=lambda x, y: np.outer(wide(x), wide(y)),
    torch="torch.outer({x}, {y})",
    keras="ops.outer({x}, {y})",
    empty=True,
)
def outer(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The products of each pair of elements of two vectors."""
    return (x.shape[0], y.shape[0])


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("y", rank=range(1, 5)),
    dtypes=PRODUCTS,
    domain=DOMAIN,
    defined=lambda x, y: exact(np.vdot)(x.ravel(), y.ravel()),
    reference=lambda x, y: np.vdot(wide(x), wide(y)),
    keras=emission("ops.vdot({x}, {y})", dtypes=PRODUCTS),
)
def vdot(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The sum of products of two tensors, flattened; of one shape here."""
    require(x.rank == y.rank, "the shapes are equal")
    for a, b in zip(x.shape, y.shape, strict=False):
        require(a == b, "the shapes are equal")
    return ()


vdot_vectors = product("vdot_vectors", 1, 1, torch="torch.vdot({x}, {y})", doc="The sum of products of two vectors.")


# Keras' own cannot become part of a TensorFlow graph: it takes ranks, which are tensors there, for integers.
@operator(
    tensor("x", rank=range(1, 5)),
    tensor("y", rank=range(1, 5)),
    dtypes=REAL,
    domain=DOMAIN,
    reference=lambda x, y: np.kron(wide(x), wide(y)),
    torch="torch.kron({x}.contiguous(), {y}.contiguous())",  # it views them, which fails for what lies scattered
)
def kron(require: Require, x: Tensor, y: Tensor) -> Shape:
    """Kronecker's product: each element of x times all of y."""
    rank = max(x.rank, y.rank)
    padded = [(1,) * (rank - t.rank) + tuple(t.shape) for t in (x, y)]
    return tuple(a * b for a, b in zip(*padded, strict=True))


@operator(
    tensor("x", rank=range(1, 6)),
    tensor("y", rank=range(1, 6)),
    attrs={"axis": axis(), "linalg": flag()},
    dtypes=FLOATS + SIGNED,
    domain=DOMAIN,
    reference=lambda x, y, *, axis, linalg: np.cross(wide(x), wide(y), axis=axis),
    torch=lambda x, y, axis, linalg: f"torch.{'linalg.' * linalg}cross({x}, {y}, dim={axis})",
    keras="ops.cross({x}, {y}, axis={axis})",
)
def cross(require: Require, x: Tensor, y: Tensor, *, axis: int, linalg: bool) -> Shape:
    """The cross products of vectors of three elements that lie along an axis; the other axes are broadcast."""
    require(x.rank == y.rank, "the ranks are equal")
    for operand in (x, y):
        require(operand.shape[axis] == 3, "the vectors have three elements")
    return broadcast(require, x.shape, y.shape)


def _chained(*matrices: Array) -> Array:
    result = wide(matrices[0])
    for matrix in matrices[1:]:
        result = result @ wide(matrix)
    return result


@operator(
    variadic("matrices", (2, 3, 4), rank=2),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_chained,
    torch="torch.linalg.multi_dot([{matrices}])",
)
def multi_dot(require: Require, *matrices: Tensor) -> Shape:
    """The product of several matrices, in the order that costs least."""
    for x, y in itertools.pairwise(matrices):
        require(x.shape[1] == y.shape[0], "the inner sizes are equal")
    return (matrices[0].shape[0], matrices[-1].shape[1])


def _ends(rows: int, groups: int) -> list[int]:
    """Where each group of rows ends."""
    return [(i + 1) * rows // groups for i in range(groups)]


def _grouped(x: Array, y: Array) -> Array:
    parts = np.split(wide(x), _ends(len(x), len(y))[:-1])
    return np.concatenate([part @ wide(matrix) for part, matrix in zip(parts, y, strict=True)])


def _torch_grouped(x: Operand, y: Operand) -> str:
    return f"F.grouped_mm({x}, {y}, offs=torch.tensor({_ends(x.shape[0], y.shape[0])}, dtype=torch.int32))"


@operator(
    tensor("x", rank=2),
    tensor("y", rank=3),
    dtypes=(*HALVES, "float32"),
    domain=DOMAIN,
    reference=_grouped,
    torch=_torch_grouped,
)
def grouped_mm(require: Require, x: Tensor, y: Tensor) -> Shape:
    """The products of groups of rows, as equal as possible, with a matrix a group."""
    require(x.shape[1] == y.shape[1], "the inner sizes are equal")
    aligned = 4 if x.dtype == "float32" else 8
    for s in y.shape[1:]:
        require(s % aligned == 0, "rows take multiples of 16 bytes")
    return (x.shape[0], y.shape[2])


# Added to something

_FACTOR = choice(1.0, 2.0, -1.0, 0.0, 0.5)


def _whole(x: Operand, factor: float) -> str:
    return str(factor if is_float(x.dtype) else int(factor))


def added(
    name: str,
    ranks: tuple[int, int],
    shape: Callable[..., Shape],
    reference: Callable[..., Any],
    rank: int,
    doc: str,
    empty: bool = True,
) -> Operator:
    """beta times x, broadcast, plus alpha times a product, as PyTorch's function of this name."""

    def rule(require: Require, x: Tensor, a: Tensor, b: Tensor, *, alpha: float, beta: float) -> Shape:
        require(is_float(x.dtype) or 0.5 not in (alpha, beta), "factors of integers are integers")
        result = shape(require, a, b)
        for have, wanted in zip(x.shape[::-1], result[::-1], strict=False):
            require(either(have == wanted, have == 1), "x is stretched to the product")
        return result

    declare = operator(
        tensor("x", rank=range(rank + 1)),
        tensor("a", rank=ranks[0]),
        tensor("b", rank=ranks[1]),
        attrs={"alpha": _FACTOR, "beta": _FACTOR},
        dtypes=REAL,
        domain=DOMAIN,
        reference=lambda x, a, b, *, alpha, beta: (
            wide(x) * _typed(x, beta) + reference(wide(a), wide(b)) * _typed(x, alpha)
        ),
        torch=lambda x, a, b, alpha, beta: (
            f"torch.{name}({x}, {a}, {b}, beta={_whole(x, beta)}, alpha={_whole(x, alpha)})"
        ),
        empty=empty,
    )
    return declare(named(name, doc, rule))


def _typed(x: Array, factor: float) -> float:
    return factor if np.issubdtype(x.dtype, np.floating) else int(factor)


def _matrices(require: Require, a: Tensor, b: Tensor) -> Shape:
    for one, other in zip(a.shape[:-2], b.shape[:-2], strict=False):
        require(one == other, "there are as many matrices")
    return matmul_shape(require, a.shape, b.shape)


addmm = added("addmm", (2, 2), _matrices, np.matmul, 2, "A product of two matrices, added.")
# Of an empty matrix, PyTorch returns x instead of stretching it, and warns.
addmv = added(
    "addmv",
    (2, 1),
    _matrices,
    np.matmul,
    1,
    "A product of a matrix and a vector, added.",
    empty=False,
)
baddbmm = added("baddbmm", (3, 3), _matrices, np.matmul, 3, "The products of as many matrices, added.")
addbmm = added(
    "addbmm",
    (3, 3),
    lambda require, a, b: _matrices(require, a, b)[1:],
    lambda a, b: np.sum(a @ b, 0),
    2,
    "The sum of the products of as many matrices, added.",
)
addr = added(
    "addr",
    (1, 1),
    lambda require, a, b: (a.shape[0], b.shape[0]),
    np.outer,
    2,
    "An outer product of two vectors, added.",
)


# Affine maps


def _affine(x: Any, kernel: Any, bias: Any = None) -> Any:
    result = wide(x) @ wide(kernel).T
    return result if bias is None else result + wide(bias)


@operator(
    tensor("x", rank=range(1, 7)),
    weight("kernel", rank=2),
    weight("bias", rank=1),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_affine,
    torch="F.linear({x}, {kernel}, {bias})",
    # Not by a transposed kernel, which Keras would compute at once and leave outside of the model as a constant.
    keras="ops.add(ops.tensordot({x}, {kernel}, [[-1], [1]]), {bias})",
)
def linear(require: Require, x: Tensor, kernel: Tensor, bias: Tensor) -> Shape:
    """An affine map of the last axis; kernel (outputs, inputs), bias (outputs), or (1) for one shared by all."""
    outputs, inputs = kernel.shape
    require(x.shape[-1] == inputs, "the kernel has a column for each feature")
    require(either(bias.shape[0] == outputs, bias.shape[0] == 1), "the bias is one, or one for each row of the kernel")
    return (*x.shape[:-1], outputs)


def _mapped(require: Require, x: Tensor, kernel: Tensor) -> Shape:
    require(x.shape[-1] == kernel.shape[1], "the kernel has a column for each feature")
    return (*x.shape[:-1], kernel.shape[0])


@operator(
    tensor("x", rank=range(1, 7)),
    weight("kernel", rank=2),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_affine,
    torch="F.linear({x}, {kernel})",
)
def linear_unbiased(require: Require, x: Tensor, kernel: Tensor) -> Shape:
    """A linear map of the last axis; kernel (outputs, inputs)."""
    return _mapped(require, x, kernel)


@operator(
    tensor("x", rank=range(1, 7)),
    weight("kernel", rank=1),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_affine,
    torch="F.linear({x}, {kernel})",
)
def linear_vector(require: Require, x: Tensor, kernel: Tensor) -> Shape:
    """A linear map of the last axis to one number, which gets no axis; kernel (inputs)."""
    require(x.shape[-1] == kernel.shape[0], "the kernel has an entry for each feature")
    return x.shape[:-1]


@operator(
    tensor("x", rank=range(2, 6)),
    weight("kernel", rank=2),
    weight("bias", rank=1),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_affine,
    torch=emission(
        "{layer}({x})",
        layer="nn.Linear({kernel.shape[1]}, {kernel.shape[0]})",
        state={"weight": "{kernel}", "bias": "{bias}"},
    ),
    keras=emission(
        "{layer}({x})",
        layer='layers.Dense({kernel.shape[0]}, dtype="{x.dtype}")',
        state={"kernel": "{kernel}.T", "bias": "{bias}"},
    ),
)
def dense(require: Require, x: Tensor, kernel: Tensor, bias: Tensor) -> Shape:
    """An affine map of the last axis, as a layer with parameters of its own; kernel (outputs, inputs)."""
    outputs, inputs = kernel.shape
    require(x.shape[-1] == inputs, "the kernel has a column for each feature")
    require(bias.shape[0] == outputs, "the bias has an entry for each row of the kernel")
    return (*x.shape[:-1], outputs)


@operator(
    tensor("x", rank=range(2, 6)),
    weight("kernel", rank=2),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_affine,
    torch=emission(
        "{layer}({x})",
        layer="nn.Linear({kernel.shape[1]}, {kernel.shape[0]}, bias=False)",
        state={"weight": "{kernel}"},
    ),
    keras=emission(
        "{layer}({x})",
        layer='layers.Dense({kernel.shape[0]}, use_bias=False, dtype="{x.dtype}")',
        state={"kernel": "{kernel}.T"},
    ),
)
def dense_unbiased(require: Require, x: Tensor, kernel: Tensor) -> Shape:
    """A linear map of the last axis, as a layer; kernel (outputs, inputs)."""
    return _mapped(require, x, kernel)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": sigmoid_of,
    "gelu": gelu_of,
    "silu": lambda x: x * sigmoid_of(x),
    "softplus": lambda x: np.logaddexp(x, 0),
    "linear": lambda x: x,
}


@operator(
    tensor("x", rank=range(2, 5)),
    weight("kernel", rank=2),
    weight("bias", rank=1),
    attrs={"activation": choice(*ACTIVATIONS)},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=lambda x, kernel, bias, *, activation: ACTIVATIONS[activation](_affine(x, kernel.T, bias)),
    keras=emission(
        "{layer}({x})",
        layer='layers.Dense({kernel.shape[1]}, activation="{activation}", dtype="{x.dtype}")',
        state={"kernel": "{kernel}", "bias": "{bias}"},
    ),
)
def dense_activated(require: Require, x: Tensor, kernel: Tensor, bias: Tensor, *, activation: str) -> Shape:
    """An affine map of the last axis, then an activation, as Keras' layer; kernel (inputs, outputs)."""
    # As in gelu, whose constants are float32 there.
    require(activation != "gelu" or x.dtype != "float64", "TensorFlow has gelu in float64")
    inputs, outputs = kernel.shape
    require(x.shape[-1] == inputs, "the kernel has a row for each feature")
    require(bias.shape[0] == outputs, "the bias has an entry for each column of the kernel")
    return (*x.shape[:-1], outputs)


def _bilinear(x: Array, y: Array, kernel: Array, *bias: Array) -> Array:
    result = np.einsum("...i,kij,...j->...k", wide(x), wide(kernel), wide(y))
    return np.asarray(result + wide(bias[0])) if bias else result


def _bilinear_rule(require: Require, x: Tensor, y: Tensor, kernel: Tensor, bias: Sequence[Tensor]) -> Shape:
    require(x.rank == y.rank, "the ranks are equal")
    for a, b in zip(x.shape[:-1], y.shape[:-1], strict=False):
        require(a == b, "the sizes but the last are equal")
    require(x.shape[-1] == kernel.shape[1], "the kernel has x's features")
    require(y.shape[-1] == kernel.shape[2], "the kernel has y's features")
    for values in bias:
        require(values.shape[0] == kernel.shape[0], "the bias has an entry for each output")
    return (*x.shape[:-1], kernel.shape[0])


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("y", rank=range(1, 5)),
    weight("kernel", rank=3),
    variadic("bias", (0, 1), role="weight", rank=1),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_bilinear,
    torch=lambda x, y, kernel, bias: f"F.bilinear({', '.join((x, y, kernel, *bias.each))})",
)
def bilinear(require: Require, x: Tensor, y: Tensor, kernel: Tensor, *bias: Tensor) -> Shape:
    """A map of two last axes, linear in each; kernel (outputs, x's features, y's features)."""
    return _bilinear_rule(require, x, y, kernel, bias)


def _bilinear_state(kernel: Operand, bias: Operands, **_: Any) -> dict[str, str]:
    return dict(zip(("weight", "bias"), (kernel, *bias.each), strict=False))


@operator(
    tensor("x", rank=range(1, 5)),
    tensor("y", rank=range(1, 5)),
    weight("kernel", rank=3),
    variadic("bias", (0, 1), role="weight", rank=1),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=_bilinear,
    torch=emission(
        "{layer}({x}, {y})",
        layer=lambda kernel, bias, **_: (
            f"nn.Bilinear({kernel.shape[1]}, {kernel.shape[2]}, {kernel.shape[0]}, bias={bool(bias.each)})"
        ),
        state=_bilinear_state,
    ),
)
def bilinear_layer(require: Require, x: Tensor, y: Tensor, kernel: Tensor, *bias: Tensor) -> Shape:
    """The same as a layer."""
    return _bilinear_rule(require, x, y, kernel, bias)


@operator(
    tensor("x", rank=range(2, 6)),
    weight("bias", rank=1),
    attrs={"second": flag()},
    dtypes=FLOATS,
    reference=lambda x, bias, *, second: wide(x) + wide(bias).reshape(-1, *(1,) * ((x.ndim - 2) if second else 0)),
    keras=emission(
        "bias_add({x}, {bias}, {second})",
        helper="""
        def bias_add(x, bias, second):
            import tensorflow as tf

            layout = "NC.." if second else "N..C"
            added = layers.Lambda(lambda x: tf.nn.bias_add(x, bias.value, layout), dtype=x.dtype)
            return added(x)
        """,
    ),
)
def bias_add(require: Require, x: Tensor, bias: Tensor, *, second: bool) -> Shape:
    """A value a channel added, where the channels come last or second; as TensorFlow writes it."""
    require(x.rank > 2 or not second, "channels that come second are not last")
    require(bias.shape[0] == x.shape[1 if second else -1], "there is one value a channel")
    return x.shape


OPERATORS: Sequence[Operator] = [
    matmul,
    matmul_int8,
    matmul_turned,
    mm,
    matmul_operator,
    bmm,
    mv,
    dot,
    dot_any,
    inner,
    outer,
    vdot,
    vdot_vectors,
    kron,
    cross,
    multi_dot,
    grouped_mm,
    addmm,
    addmv,
    baddbmm,
    addbmm,
    addr,
    linear,
    linear_unbiased,
    linear_vector,
    dense,
    dense_unbiased,
    dense_activated,
    bilinear,
    bilinear_layer,
    bias_add,
]
