"""What recurrent layers are made of or made into: PyTorch's cells, TensorFlow's fused one, convolutional LSTMs, a layer
over time.

https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html
https://www.tensorflow.org/api_docs/python/tf/raw_ops/LSTMBlockCell
https://keras.io/api/layers/recurrent_layers/conv_lstm2d/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Operator,
    Require,
    Shape,
    Size,
    Tensor,
    ceil_div,
    choice,
    either,
    emission,
    flag,
    named,
    number,
    operator,
    size,
    tensor,
    weight,
)
from operators.precision import Array, wide
from operators.recurrence import GRU, LSTM, SIMPLE, Cell, States, rows_as_columns, sigmoid, step
from operators.recurrent import CALM, DOMAIN, equal, with_parameters
from operators.recurrent_keras import constructed, flags

_STATES = ("hidden", "memory")


def _torch_cell(name: str, kind: str, cell: Cell, biased: bool = True) -> Operator:
    names = _STATES[: cell.states]
    biases = ("bias", "recurrent_bias")[: 2 * biased]

    def rule(require: Require, *operands: Tensor, **attrs: str) -> list[Shape]:
        x, states, weights = operands[0], operands[1 : 1 + len(names)], operands[1 + len(names) :]
        rows, units = weights[1].shape
        require(rows == cell.gates * units, "the recurrent kernel has a row for each gate of each unit")
        equal(require, weights[0].shape, (rows, x.shape[-1]), "kernel")
        for bias in weights[2:]:
            equal(require, bias.shape, (rows,), "bias")
        final = (*x.shape[:-1], units)
        for state in states:
            require(state.rank == x.rank, "a state has the input's rank")
            equal(require, state.shape, final, "state")
        return [final] * len(names)

    def reference(x: Array, *arrays: Array, activation: str = "tanh") -> States:
        given = tuple(map(wide, arrays[: len(names)]))
        return step(cell, x, rows_as_columns(arrays[len(names) :], biased), given, activation)

    def layer(kernel: Any, recurrent: Any, activation: str = "tanh", **given: Any) -> str:
        told = [f"nonlinearity={activation!r}"] if activation != "tanh" else []
        told += [] if biased else ["bias=False"]
        return f"nn.{kind}({', '.join([str(kernel.shape[1]), str(recurrent.shape[1]), *told])})"

    def state(kernel: Any, recurrent: Any, **given: Any) -> dict[str, str]:
        rows = cell.gates * recurrent.shape[1]
        sources = {"bias_ih": given.get("bias"), "bias_hh": given.get("recurrent_bias")}
        return {
            "weight_ih": f"{kernel}.reshape({rows}, {kernel.shape[1]})",
            "weight_hh": f"{recurrent}.reshape({rows}, {recurrent.shape[1]})",
            **{theirs: f"{ours}.reshape({rows})" for theirs, ours in sources.items() if ours is not None},
        }

    def call(layer: str, x: str, **given: Any) -> str:
        states = [given[n] for n in names]
        return f"{layer}({x}, {states[0] if len(states) == 1 else '(' + ', '.join(states) + ')'})"

    parameters = [
        tensor("x", rank=(1, 2)),
        *(tensor(n, rank=(1, 2)) for n in names),
        weight("kernel", rank=2),
        weight("recurrent", rank=2, domain=CALM),
        *(weight(b, rank=1) for b in biases),
    ]
    attrs = {"activation": choice("tanh", "relu")} if cell is SIMPLE else {}
    return operator(
        *parameters,
        attrs=attrs,
        dtypes=FLOATS,
        domain=DOMAIN,
        reference=reference,
        torch=emission(call, layer=layer, state=state),
    )(with_parameters(rule, parameters, attrs, name, f"PyTorch's {kind}: the new states from an input and states."))


TORCH = [
    _torch_cell("torch_lstm_cell", "LSTMCell", LSTM),
    _torch_cell("torch_gru_cell", "GRUCell", GRU),
    _torch_cell("torch_rnn_cell", "RNNCell", SIMPLE),
    _torch_cell("torch_lstm_cell_unbiased", "LSTMCell", LSTM, biased=False),
    _torch_cell("torch_gru_cell_unbiased", "GRUCell", GRU, biased=False),
]


def _block_cell(
    x: Array, memory: Array, hidden: Array, kernel: Array, bias: Array, *, forget_bias: float
) -> tuple[Array, ...]:
    """i, cs, f, o, ci, co, h; the gates' columns are in the order i, ci, f, o."""
    given = np.concatenate([wide(x), wide(hidden)], -1) @ wide(kernel) + wide(bias)
    into, new, forget, out = np.split(given, 4, axis=-1)
    i, f, o, ci = sigmoid(into), sigmoid(forget + forget_bias), sigmoid(out), np.tanh(new)
    cs = ci * i + wide(memory) * f
    co = np.tanh(cs)
    return i, cs, f, o, ci, co, co * o


@operator(
    tensor("x", rank=2),
    tensor("memory", rank=2),
    tensor("hidden", rank=2),
    weight("kernel", rank=2, domain=CALM),
    weight("bias", rank=1),
    attrs={"forget_bias": number(0, 2)},
    dtypes=("float32",),
    domain=DOMAIN,
    reference=_block_cell,
    keras=emission(
        "lstm_block_cell({x}, {memory}, {hidden}, {kernel}, {bias}, {forget_bias})",
        helper="""
        def lstm_block_cell(x, memory, hidden, kernel, bias, forget_bias):
            import tensorflow as tf

            def called(tensors):
                x, memory, hidden = tensors
                none = tf.zeros(hidden.shape[1])
                return list(
                    tf.raw_ops.LSTMBlockCell(
                        x=x,
                        cs_prev=memory,
                        h_prev=hidden,
                        w=tf.convert_to_tensor(kernel),
                        wci=none,
                        wcf=none,
                        wco=none,
                        b=tf.convert_to_tensor(bias),
                        forget_bias=forget_bias,
                        cell_clip=-1,
                    )
                )

            return layers.Lambda(called)([x, memory, hidden])
        """,
    ),
)
def lstm_block_cell(
    require: Require, x: Tensor, memory: Tensor, hidden: Tensor, kernel: Tensor, bias: Tensor, *, forget_bias: float
) -> list[Shape]:
    """TensorFlow's fused LSTM cell, without peepholes: in gate, memory, forget gate, out gate, new, co, hidden."""
    batch, units = hidden.shape
    equal(require, memory.shape, (batch, units), "memory")
    require(x.shape[0] == batch, "the input has a row for each state")
    equal(require, kernel.shape, (x.shape[1] + units, 4 * units), "kernel")
    require(bias.shape[0] == 4 * units, "the bias has an entry for each column of the kernel")
    shape: Shape = (batch, units)
    return [shape] * 7


# Convolutional LSTMs


def _padded(x: Array, kernel: tuple[int, ...], strides: int, same: bool) -> Array:
    """x (batch, *space, channels) with TensorFlow's padding."""
    if not same:
        return x
    pads = []
    for length, k in zip(x.shape[1:-1], kernel, strict=True):
        total = max((-(-length // strides) - 1) * strides + k - length, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, [(0, 0), *pads, (0, 0)])


def _convolved(x: Array, kernel: Array, strides: int = 1, same: bool = True) -> Array:
    """x (batch, *space, channels) correlated with a kernel (*space, channels, filters)."""
    sizes = kernel.shape[:-2]
    windows = np.lib.stride_tricks.sliding_window_view(
        _padded(x, sizes, strides, same), sizes, tuple(range(1, x.ndim - 1))
    )
    windows = windows[(slice(None), *[slice(None, None, strides)] * len(sizes))]
    flat = np.moveaxis(windows, len(sizes) + 1, -1)  # (batch, *space, *kernel, channels)
    return np.tensordot(flat, kernel, len(sizes) + 1)


def _conv_lstm(axes: int) -> Operator:
    name, kind = f"conv_lstm_{axes}d", f"ConvLSTM{axes}D"

    def rule(
        require: Require,
        x: Tensor,
        kernel: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        *,
        strides: int,
        same: bool,
        sequences: bool,
        states: bool,
    ) -> list[Shape]:
        batch, time, *space, channels = x.shape
        filters = recurrent.shape[-2]
        equal(require, (kernel.shape[-2], kernel.shape[-1]), (channels, 4 * filters), "kernel")
        require(recurrent.shape[-1] == 4 * filters, "the recurrent kernel has columns for four gates")
        require(bias.shape[0] == 4 * filters, "the bias has an entry for each column")
        equal(require, recurrent.shape[:-2], kernel.shape[:-2], "recurrent kernel")
        made: list[Size] = []
        for length, k in zip(space, kernel.shape[:-2], strict=True):
            require(either(same, k <= length), "the kernel is no larger than the image")
            made.append(ceil_div(length, strides) if same else (length - k) // strides + 1)
        last: Shape = (batch, *made, filters)
        return [(batch, time, *made, filters) if sequences else last, *([last, last] if states else [])]

    def reference(
        x: Array,
        kernel: Array,
        recurrent: Array,
        bias: Array,
        *,
        strides: int,
        same: bool,
        sequences: bool,
        states: bool,
    ) -> list[Array]:
        shown = [_convolved(wide(x[:, t]), wide(kernel), strides, same) + wide(bias) for t in range(x.shape[1])]
        zeros = np.zeros((*shown[0].shape[:-1], recurrent.shape[-2]))
        now: States = (zeros, zeros)
        outputs = []
        for given in shown:
            now = LSTM.step(given, lambda h: _convolved(h, wide(recurrent)), now, np.tanh, sigmoid)
            outputs.append(now[0])
        return [np.stack(outputs, 1) if sequences else now[0], *(now if states else ())]

    def layer(x: Any, kernel: Any, recurrent: Any, **attrs: Any) -> str:
        told = [str(kernel.shape[:-2]), f"strides={attrs['strides']}"] + (["padding='same'"] if attrs["same"] else [])
        told += flags(return_sequences=attrs["sequences"], return_state=attrs["states"])
        return constructed(kind, recurrent.shape[-2], x.dtype, *told, "recurrent_activation='sigmoid'")

    return operator(
        tensor("x", rank=axes + 3),
        weight("kernel", rank=axes + 2, domain=CALM),
        weight("recurrent", rank=axes + 2, domain=CALM),
        weight("bias", rank=1),
        attrs={"strides": size(1, 2), "same": flag(), "sequences": flag(), "states": flag()},
        dtypes=FLOATS,
        domain=DOMAIN,
        reference=reference,
        keras=emission("{layer}({x})", layer=layer, state={n: "{" + n + "}" for n in ("kernel", "recurrent", "bias")}),
    )(named(name, f"A long short-term memory of {axes}-dimensional convolutions.", rule))


@operator(
    tensor("x", rank=range(3, 6)),
    weight("kernel", rank=2),
    weight("bias", rank=1),
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=lambda x, kernel, bias: wide(x) @ wide(kernel) + wide(bias),
    keras=emission(
        "{layer}({x})",
        layer='layers.TimeDistributed(layers.Dense({kernel.shape[1]}, dtype="{x.dtype}"), dtype="{x.dtype}")',
        state={"kernel": "{kernel}", "bias": "{bias}"},
    ),
)
def time_distributed_dense(require: Require, x: Tensor, kernel: Tensor, bias: Tensor) -> Shape:
    """A dense layer at each time."""
    require(kernel.shape[0] == x.shape[-1], "the kernel has a row for each feature")
    require(bias.shape[0] == kernel.shape[1], "the bias has an entry for each unit")
    return (*x.shape[:-1], kernel.shape[1])


OPERATORS: Sequence[Operator] = [*TORCH, lstm_block_cell, _conv_lstm(1), _conv_lstm(2), time_distributed_dense]
