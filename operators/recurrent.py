"""Recurrent layers over (batch, time, features), with weights in PyTorch's layout: gates stacked along the rows.

Keras wants kernels transposed, and sums what PyTorch keeps as two biases (but for the GRU's).
https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import (
    FLOATS,
    Emission,
    Operator,
    Require,
    Shape,
    Tensor,
    emission,
    flag,
    operator,
    tensor,
    weight,
)
from graphfuzz.spec.operator import Parameter
from operators.precision import wide

DOMAIN = (-2.0, 2.0)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _parameters() -> tuple[Parameter, ...]:
    return (
        tensor("x", rank=3),
        weight("kernel", rank=2),
        weight("recurrent", rank=2, domain=(-0.5, 0.5)),  # A stronger recurrence is chaotic: it multiplies rounding.
        weight("bias", rank=1),
        weight("recurrent_bias", rank=1),
    )


def _shape(
    require: Require, gates: int, x: Tensor, kernel: Tensor, recurrent: Tensor, biases: Sequence[Tensor], whole: bool
) -> Shape:
    batch, time, features = x.shape
    rows, hidden = recurrent.shape
    require(rows == gates * hidden, "the recurrent kernel has a row for each gate of each hidden unit")
    require(kernel.shape[0] == rows, "the kernels have equally many rows")
    require(kernel.shape[1] == features, "the kernel has a column for each feature")
    for bias in biases:
        require(bias.shape[0] == rows, "the biases have an entry for each row of the kernels")
    return (batch, time, hidden) if whole else (batch, hidden)


def _torch(name: str) -> Emission:
    return emission(
        lambda layer, x, sequences, **_: f"{layer}({x})[0]" + ("" if sequences else "[:, -1]"),
        layer=f"nn.{name}({{kernel.shape[1]}}, {{recurrent.shape[1]}}, batch_first=True)",
        state={
            "weight_ih_l0": "{kernel}",
            "weight_hh_l0": "{recurrent}",
            "bias_ih_l0": "{bias}",
            "bias_hh_l0": "{recurrent_bias}",
        },
    )


def _keras(name: str, state: Mapping[str, str]) -> Emission:
    layer = f'layers.{name}({{recurrent.shape[1]}}, return_sequences={{sequences}}, dtype="{{x.dtype}}")'
    return emission("{layer}({x})", layer=layer, state=state)


# Unlike the operator +, the sum over a list refuses biases of different lengths.
_SUMMED = {
    "kernel": "{kernel}.T",
    "recurrent_kernel": "{recurrent}.T",
    "bias": "np.sum([{bias}, {recurrent_bias}], axis=0)",
}


def _unrolled(step: Callable[..., tuple[Any, ...]], states: int, x: Any, arrays: Sequence[Any], sequences: bool) -> Any:
    """Every hidden state (or the last), from zero states; step(input, weights, *states) gives the new states."""
    weights = [wide(a) for a in arrays]
    state: tuple[Any, ...] = (np.zeros((x.shape[0], weights[1].shape[1])),) * states
    seen = []
    for t in range(x.shape[1]):
        state = step(wide(x[:, t]), weights, *state)
        seen.append(state[0])
    return np.stack(seen, 1) if sequences else seen[-1]


def _lstm_step(x: Any, weights: Sequence[Any], hidden: Any, cell: Any) -> tuple[Any, Any]:
    kernel, recurrent, bias, recurrent_bias = weights
    into, forget, new, out = np.split(x @ kernel.T + bias + hidden @ recurrent.T + recurrent_bias, 4, axis=-1)
    cell = _sigmoid(forget) * cell + _sigmoid(into) * np.tanh(new)
    return _sigmoid(out) * np.tanh(cell), cell


@operator(
    *_parameters(),
    attrs={"sequences": flag()},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=lambda x, *arrays, sequences: _unrolled(_lstm_step, 2, x, arrays, sequences),
    torch=_torch("LSTM"),
    keras=_keras("LSTM", _SUMMED),
)
def lstm(
    require: Require,
    x: Tensor,
    kernel: Tensor,
    recurrent: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
    *,
    sequences: bool,
) -> Shape:
    """Long short-term memory: the hidden state after each step, or the last; gates: in, forget, new, out."""
    return _shape(require, 4, x, kernel, recurrent, (bias, recurrent_bias), sequences)


def _gru_step(x: Any, weights: Sequence[Any], hidden: Any) -> tuple[Any]:
    kernel, recurrent, bias, recurrent_bias = weights
    reset, update, new = np.split(x @ kernel.T + bias, 3, axis=-1)
    reset_by, update_by, new_by = np.split(hidden @ recurrent.T + recurrent_bias, 3, axis=-1)
    kept = _sigmoid(update + update_by)
    return (kept * hidden + (1 - kept) * np.tanh(new + _sigmoid(reset + reset_by) * new_by),)


def _update_first(source: str) -> str:
    """Keras has the update gate first, PyTorch the reset gate."""
    return f"np.concatenate([np.split({source}, 3)[i] for i in (1, 0, 2)])"


@operator(
    *_parameters(),
    attrs={"sequences": flag()},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=lambda x, *arrays, sequences: _unrolled(_gru_step, 1, x, arrays, sequences),
    torch=_torch("GRU"),
    keras=_keras(
        "GRU",
        {
            "kernel": _update_first("{kernel}") + ".T",
            "recurrent_kernel": _update_first("{recurrent}") + ".T",
            "bias": f"np.stack([{_update_first('{bias}')}, {_update_first('{recurrent_bias}')}])",
        },
    ),
)
def gru(
    require: Require,
    x: Tensor,
    kernel: Tensor,
    recurrent: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
    *,
    sequences: bool,
) -> Shape:
    """Gated recurrent unit, its reset after the product; gates in the order reset, update, new."""
    return _shape(require, 3, x, kernel, recurrent, (bias, recurrent_bias), sequences)


def _rnn_step(x: Any, weights: Sequence[Any], hidden: Any) -> tuple[Any]:
    kernel, recurrent, bias, recurrent_bias = weights
    return (np.tanh(x @ kernel.T + bias + hidden @ recurrent.T + recurrent_bias),)


@operator(
    *_parameters(),
    attrs={"sequences": flag()},
    dtypes=FLOATS,
    domain=DOMAIN,
    reference=lambda x, *arrays, sequences: _unrolled(_rnn_step, 1, x, arrays, sequences),
    torch=_torch("RNN"),
    keras=_keras("SimpleRNN", _SUMMED),
)
def simple_rnn(
    require: Require,
    x: Tensor,
    kernel: Tensor,
    recurrent: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
    *,
    sequences: bool,
) -> Shape:
    """Elman's recurrent network with tanh: the hidden state after each step, or the last."""
    return _shape(require, 1, x, kernel, recurrent, (bias, recurrent_bias), sequences)


OPERATORS: Sequence[Operator] = [lstm, gru, simple_rnn]
