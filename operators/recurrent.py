"""Recurrent layers, in PyTorch's layout of weights: gates stacked along the rows.

`lstm`, `gru` and `simple_rnn` are common to both frameworks (batch first, zero states; Keras wants kernels transposed,
and sums what PyTorch keeps as two biases, but for the GRU's); PyTorch's own layers with all that they can do follow.
https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Emission,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    choice,
    emission,
    flag,
    named,
    operator,
    tensor,
    weight,
)
from graphfuzz.spec.operator import Parameter
from operators.precision import Array
from operators.recurrence import GRU, LSTM, SIMPLE, Cell, rows_as_columns, run, stacked

DOMAIN = (-2.0, 2.0)
CALM = (-0.5, 0.5)
"""Recurrent weights: a stronger recurrence is chaotic, it multiplies rounding."""


def with_parameters(
    rule: Callable[..., Any], parameters: Sequence[Parameter], attrs: Mapping[str, Any], name: str, doc: str
) -> Callable[..., Any]:
    """The rule over *operands and **attributes as one that names them, under a name and documentation of its own."""
    kinds = inspect.Parameter
    operands = [kinds(name, kinds.POSITIONAL_OR_KEYWORD) for name in ("require", *(p.name for p in parameters))]
    named = [kinds(name, kinds.KEYWORD_ONLY) for name in attrs]
    rule.__signature__ = inspect.Signature([*operands, *named])  # type: ignore[attr-defined]
    rule.__name__, rule.__doc__ = name, doc
    return rule


def equal(require: Require, found: Sequence[Size], wanted: Sequence[Size], what: str) -> None:
    """Requires sizes to be as they must, one by one."""
    for a, b in zip(found, wanted, strict=True):
        require(a == b, f"the {what} fits")


def keras_layer(kind: str, options: str) -> Callable[..., str]:
    """Constructs a Keras layer of as many units as the operand `recurrent` tells, of the operand x's dtype.

    In bfloat16, its usual initializer (of what is overwritten anyway) has no kernel.
    """

    def constructed(x: Any, recurrent: Any, **given: Any) -> str:
        told = options.format(**given)
        initializer = ', recurrent_initializer="zeros"' if x.dtype == "bfloat16" else ""
        return f'layers.{kind}({recurrent.shape[1]}, {told}{initializer}, dtype="{x.dtype}")'

    return constructed


# Common to PyTorch and Keras


def _common(name: str, cell: Cell, doc: str, torch: str, keras: str, state: Mapping[str, str]) -> Operator:
    parameters = (
        tensor("x", rank=3),
        weight("kernel", rank=2),
        weight("recurrent", rank=2, domain=CALM),
        weight("bias", rank=1),
        weight("recurrent_bias", rank=1),
    )

    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        recurrent_bias: Tensor,
        *,
        sequences: bool,
    ) -> Shape:
        batch, time, features = x.shape
        rows, hidden = recurrent.shape
        require(rows == cell.gates * hidden, "the recurrent kernel has a row for each gate of each hidden unit")
        equal(require, kernel.shape, (rows, features), "kernel")
        equal(require, (*bias.shape, *recurrent_bias.shape), (rows, rows), "bias")
        return (batch, time, hidden) if sequences else (batch, hidden)

    def reference(x: Array, *arrays: Array, sequences: bool) -> Array:
        outputs, _ = run(cell, np.swapaxes(x, 0, 1), rows_as_columns(arrays))
        return np.swapaxes(outputs, 0, 1) if sequences else outputs[-1]

    return operator(
        *parameters,
        attrs={"sequences": flag()},
        dtypes=FLOATS,
        domain=DOMAIN,
        reference=reference,
        torch=emission(
            lambda layer, x, sequences, **_: f"{layer}({x})[0]" + ("" if sequences else "[:, -1]"),
            layer=f"nn.{torch}({{kernel.shape[1]}}, {{recurrent.shape[1]}}, batch_first=True)",
            state={
                "weight_ih_l0": "{kernel}",
                "weight_hh_l0": "{recurrent}",
                "bias_ih_l0": "{bias}",
                "bias_hh_l0": "{recurrent_bias}",
            },
        ),
        keras=emission("{layer}({x})", layer=keras_layer(keras, "return_sequences={sequences}"), state=state),
    )(named(name, doc, rule))


# Unlike the operator +, the sum over a list refuses biases of different lengths.
_SUMMED = {
    "kernel": "{kernel}.T",
    "recurrent_kernel": "{recurrent}.T",
    "bias": "np.sum([{bias}, {recurrent_bias}], axis=0)",
}


def _update_first(source: str) -> str:
    """Keras has the update gate first, PyTorch the reset gate."""
    return f"np.concatenate([np.split({source}, 3)[i] for i in (1, 0, 2)])"


COMMON = [
    _common(
        "lstm",
        LSTM,
        "Long short-term memory: the hidden state after each step, or the last; gates: in, forget, new, out.",
        "LSTM",
        "LSTM",
        _SUMMED,
    ),
    _common(
        "gru",
        GRU,
        "Gated recurrent unit, its reset after the product; gates in the order reset, update, new.",
        "GRU",
        "GRU",
        {
            "kernel": _update_first("{kernel}") + ".T",
            "recurrent_kernel": _update_first("{recurrent}") + ".T",
            "bias": f"np.stack([{_update_first('{bias}')}, {_update_first('{recurrent_bias}')}])",
        },
    ),
    _common(
        "simple_rnn",
        SIMPLE,
        "Elman's recurrent network with tanh: the hidden state after each step, or the last.",
        "RNN",
        "SimpleRNN",
        _SUMMED,
    ),
]


# PyTorch's layers


class _Form(msgspec.Struct, frozen=True):
    """A form of a layer: how many layers and directions, whether with biases, initial states and a projection."""

    layers: int = 1
    directions: int = 1
    biased: bool = True
    given: bool = False
    projected: bool = False

    @property
    def told(self) -> str:
        """In words."""
        plural = [f"{self.layers} layers"] if self.layers > 1 else []
        both = ["both directions"] if self.directions > 1 else []
        flags = {"no biases": not self.biased, "initial states": self.given, "a projection": self.projected}
        return ", ".join([*plural, *both, *(text for text, true in flags.items() if true)]) or "as it comes"

    @property
    def each(self) -> int:
        """The weights of each layer and direction."""
        return 2 + 2 * self.biased + self.projected

    def kinds(self) -> list[tuple[str, str]]:
        """Each weight's name here and in PyTorch."""
        own = [("kernel", "weight_ih"), ("recurrent", "weight_hh")]
        own += [("bias", "bias_ih"), ("recurrent_bias", "bias_hh")] if self.biased else []
        own += [("projection", "weight_hr")] if self.projected else []
        return [
            (f"{ours}_{layer}{'ab'[direction]}", f"{theirs}_l{layer}{'_reverse' * direction}")
            for layer in range(self.layers)
            for direction in range(self.directions)
            for ours, theirs in own
        ]


def _weight(name: str) -> Parameter:
    kind = name.rpartition("_")[0]
    if kind.endswith("bias"):
        return weight(name, rank=1)
    return weight(name, rank=2, domain=None if kind == "kernel" else CALM)


def _parameters(cell: Cell, form: _Form) -> list[Parameter]:
    states = [tensor(name, rank=(2, 3)) for name in ("hidden", "memory")[: cell.states]] if form.given else []
    return [tensor("x", rank=(2, 3)), *states, *(_weight(ours) for ours, _ in form.kinds())]


def _fit(require: Require, cell: Cell, form: _Form, features: Size, weights: Sequence[Tensor]) -> tuple[Size, Size]:
    """Requires every weight to fit; the sizes of output and memory."""
    recurrent, projection = weights[1], weights[form.each - 1]
    output = recurrent.shape[1]
    memory = projection.shape[1] if form.projected else output
    if form.projected:
        require(output < memory, "the projection is smaller than the memory")
    rows = cell.gates * memory
    for at in range(form.layers * form.directions):
        inner = features if at < form.directions else form.directions * output
        kernel, hidden, *others = weights[at * form.each : (at + 1) * form.each]
        equal(require, kernel.shape, (rows, inner), "kernel")
        equal(require, hidden.shape, (rows, output), "recurrent kernel")
        for bias in others[: 2 * form.biased]:
            equal(require, bias.shape, (rows,), "bias")
        for matrix in others[2 * form.biased :]:
            equal(require, matrix.shape, (output, memory), "projection")
    return output, memory


def _layer_rule(cell: Cell, form: _Form) -> Callable[..., Any]:
    def rule(require: Require, *operands: Tensor, batch_first: bool, outputs: str, **_: str) -> list[Shape]:
        given = cell.states * form.given
        x, states, weights = operands[0], operands[1 : 1 + given], operands[1 + given :]
        output, memory = _fit(require, cell, form, x.shape[-1], weights)
        batch = x.shape[0 if batch_first else 1 : 1 if batch_first else 2] if x.rank == 3 else ()
        finals = [(form.layers * form.directions, *batch, s) for s in (output, memory)][: cell.states]
        for state, final in zip(states, finals, strict=False):
            require(state.rank == len(final), "a state has the input's rank")
            equal(require, state.shape, final, "state")
        sequence = (*x.shape[:-1], form.directions * output)
        return {"sequence": [sequence], "states": finals, "all": [sequence, *finals]}[outputs]

    return rule


def _layer_reference(cell: Cell, form: _Form) -> Callable[..., Any]:
    def reference(x: Array, *arrays: Array, batch_first: bool, outputs: str, activation: str = "tanh") -> Any:
        given = cell.states * form.given
        swapped = batch_first and x.ndim == 3
        rows = [rows_as_columns(arrays[i : i + form.each], form.biased) for i in range(given, len(arrays), form.each)]
        inward = np.swapaxes(x, 0, 1) if swapped else x
        sequence, finals = stacked(cell, inward, rows, form.directions, arrays[:given] or None, activation)
        outward = np.swapaxes(sequence, 0, 1) if swapped else sequence
        return {"sequence": [outward], "states": finals, "all": [outward, *finals]}[outputs]

    return reference


def _layer_emission(name: str, cell: Cell, form: _Form, kind: str) -> Emission:
    helper = f"{name}_outputs"

    def call(layer: str, x: str, outputs: str, **given: Any) -> str:
        states = [given[n] for n in ("hidden", "memory") if n in given]
        made = f"{layer}({', '.join([x, *([_tupled(states)] if states else [])])})"
        if outputs == "all":
            return f"{helper}({made})" if cell.states > 1 else made
        return f"{made}[{('sequence', 'states').index(outputs)}]"

    def layer(x: Any, batch_first: bool, activation: str = "tanh", **given: Any) -> str:
        recurrent = given["recurrent_0a"]
        sizes = [given["kernel_0a"].shape[1], given["projection_0a"].shape[1] if form.projected else recurrent.shape[1]]
        options = {
            "num_layers": form.layers,
            "bidirectional": form.directions == 2,
            "bias": form.biased,
            "batch_first": batch_first,
            "proj_size": recurrent.shape[1] if form.projected else 0,
            "nonlinearity": activation,
        }
        usual = {"num_layers": 1, "bidirectional": False, "bias": True, "batch_first": False, "proj_size": 0}
        stated = {k: v for k, v in options.items() if v != {**usual, "nonlinearity": "tanh"}[k]}
        return f"nn.{kind}({', '.join([*map(str, sizes), *(f'{k}={v!r}' for k, v in stated.items())])})"

    source = f"""
    def {helper}(made):
        sequence, (hidden, memory) = made
        return sequence, hidden, memory
    """

    def state(x: Any, **given: Any) -> dict[str, str]:
        """Each parameter's source, its size told: of other sizes PyTorch reads beyond the parameter's memory."""
        output = given["recurrent_0a"].shape[1]
        memory = given["projection_0a"].shape[1] if form.projected else output
        sizes = {"recurrent": f"{cell.gates * memory}, {output}", "projection": f"{output}, {memory}"}
        found = {}
        for ours, theirs in form.kinds():
            kind, layer = ours.rpartition("_")[0], int(ours[-2])
            inner = form.directions * output if layer else given["kernel_0a"].shape[1]
            usual = f"{cell.gates * memory}, {inner}" if kind == "kernel" else f"{cell.gates * memory}"
            found[theirs] = f"{given[ours]}.reshape({sizes.get(kind, usual)})"
        return found

    return emission(call, layer=layer, state=state, helper=source if cell.states > 1 else "")


def _tupled(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _layer(name: str, kind: str, cell: Cell, form: _Form) -> Operator:
    """One of PyTorch's layers in one form; its outputs are the sequence, the last states, or both."""
    parameters = _parameters(cell, form)
    attrs: dict[str, Any] = {"batch_first": flag(), "outputs": choice("sequence", "states", "all")}
    if cell is SIMPLE:
        attrs["activation"] = choice("tanh", "relu")
    rule = with_parameters(_layer_rule(cell, form), parameters, attrs, name, f"PyTorch's {kind} layer: {form.told}.")
    return operator(
        *parameters,
        attrs=attrs,
        dtypes=FLOATS,
        domain=DOMAIN,
        reference=_layer_reference(cell, form),
        torch=_layer_emission(name, cell, form, kind),
    )(rule)


_FORMS = {
    "": _Form(),
    "_unbiased": _Form(biased=False),
    "_bidirectional": _Form(directions=2),
    "_two_layers": _Form(layers=2),
    "_deep": _Form(layers=2, directions=2),
    "_continued": _Form(given=True),
    "_deep_continued": _Form(layers=2, directions=2, biased=False, given=True),
}
_PROJECTED = {
    "_projected": _Form(projected=True),
    "_deep_projected": _Form(layers=2, directions=2, projected=True),
    "_projected_continued": _Form(given=True, projected=True),
}

LAYERS = [
    *(_layer(f"torch_rnn{suffix}", "RNN", SIMPLE, form) for suffix, form in _FORMS.items()),
    *(_layer(f"torch_gru{suffix}", "GRU", GRU, form) for suffix, form in _FORMS.items()),
    *(_layer(f"torch_lstm{suffix}", "LSTM", LSTM, form) for suffix, form in {**_FORMS, **_PROJECTED}.items()),
]


OPERATORS: Sequence[Operator] = [*COMMON, *LAYERS]
