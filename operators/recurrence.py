"""Recurrences in NumPy: cells, and what running one over time makes. All in float64.

A cell maps the input's contribution to its gates and its states to new states, the first of which is its output. Gates
are blocks of columns: in PyTorch's order (in, forget, new, out; reset, update, new).
https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from operators.precision import Array, wide

States: TypeAlias = tuple[Array, ...]
Function: TypeAlias = Callable[[Array], Array]


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return np.asarray(1 / (1 + np.exp(-x)))


ACTIVATIONS: Mapping[str, Function] = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "linear": lambda x: x,
}
"""By Keras' names; PyTorch has the first three. https://keras.io/api/layers/activations/"""


class Cell(msgspec.Struct, frozen=True):
    """A kind of cell: how many blocks of columns its kernels have, how many states it keeps, and its step.

    step(given, recur, states, activation, gating): given: what the input contributes; recur: what a hidden state does.
    """

    gates: int
    states: int
    step: Callable[[Array, Function, States, Function, Function], States]


def _lstm(given: Array, recur: Function, states: States, activation: Function, gating: Function) -> States:
    hidden, memory = states
    into, forget, new, out = np.split(given + recur(hidden), 4, axis=-1)
    memory = gating(forget) * memory + gating(into) * activation(new)
    return gating(out) * activation(memory), memory


def _gru(given: Array, recur: Function, states: States, activation: Function, gating: Function) -> States:
    """The reset gate acts on what the hidden state contributes."""
    (hidden,) = states
    reset, update, new = np.split(given, 3, axis=-1)
    reset_by, update_by, new_by = np.split(recur(hidden), 3, axis=-1)
    kept = gating(update + update_by)
    return (kept * hidden + (1 - kept) * activation(new + gating(reset + reset_by) * new_by),)


def _gru_before(given: Array, recur: Function, states: States, activation: Function, gating: Function) -> States:
    """The reset gate acts on the hidden state before it contributes."""
    (hidden,) = states
    reset, update, new = np.split(given, 3, axis=-1)
    reset_by, update_by, _ = np.split(recur(hidden), 3, axis=-1)
    kept = gating(update + update_by)
    new_by = np.split(recur(gating(reset + reset_by) * hidden), 3, axis=-1)[2]
    return (kept * hidden + (1 - kept) * activation(new + new_by),)


def _simple(given: Array, recur: Function, states: States, activation: Function, gating: Function) -> States:
    return (activation(given + recur(states[0])),)


LSTM = Cell(4, 2, _lstm)
GRU = Cell(3, 1, _gru)
GRU_BEFORE = Cell(3, 1, _gru_before)
SIMPLE = Cell(1, 1, _simple)


class Weights(msgspec.Struct, frozen=True):
    """A cell's weights with the gates along the columns, in float64; `projection` maps an LSTM's output to fewer."""

    kernel: Array
    recurrent: Array
    bias: Array | float = 0.0
    recurrent_bias: Array | float = 0.0
    projection: Array | None = None

    def zeros(self, cell: Cell, batch: tuple[int, ...]) -> States:
        """The cell's states before anything was seen."""
        memory = self.recurrent.shape[1] // cell.gates
        hidden = memory if self.projection is None else self.projection.shape[1]
        return (np.zeros((*batch, hidden)), np.zeros((*batch, memory)))[: cell.states]


def rows_as_columns(arrays: Sequence[Array], biased: bool = True) -> Weights:
    """The weights as PyTorch keeps them: kernels with the gates along the rows, two biases or none, a projection."""
    kernel, recurrent, *others = (wide(a) for a in arrays)
    bias, recurrent_bias = others[:2] if biased else (0.0, 0.0)
    projection = others[2 if biased else 0 :]
    return Weights(kernel.T, recurrent.T, bias, recurrent_bias, projection[0].T if projection else None)


def step(
    cell: Cell, x: Array, weights: Weights, states: States, activation: str = "tanh", gating: str = "sigmoid"
) -> States:
    """The states after one more input, of shape (..., features)."""

    def recur(hidden: Array) -> Array:
        return np.asarray(hidden @ weights.recurrent + weights.recurrent_bias)

    given = wide(x) @ weights.kernel + weights.bias
    made = cell.step(given, recur, states, ACTIVATIONS[activation], ACTIVATIONS[gating])
    return made if weights.projection is None else (made[0] @ weights.projection, *made[1:])


def run(
    cell: Cell,
    x: Array,
    weights: Weights,
    states: States | None = None,
    backward: bool = False,
    activation: str = "tanh",
    gating: str = "sigmoid",
) -> tuple[Array, States]:
    """The outputs at every time, in the order of x (time, ..., features), and the last states."""
    now = weights.zeros(cell, x.shape[1:-1]) if states is None else tuple(map(wide, states))
    outputs: list[Array] = [np.empty(0)] * len(x)
    for t in range(len(x))[:: -1 if backward else 1]:
        now = step(cell, x[t], weights, now, activation, gating)
        outputs[t] = now[0]
    return np.stack(outputs), now


def stacked(
    cell: Cell, x: Array, weights: Sequence[Weights], directions: int, states: States | None, activation: str = "tanh"
) -> tuple[Array, States]:
    """Layers of cells over x (time, ..., features), both directions joined: outputs, and last states by layer.

    weights: those of each layer, forward then backward. states: arrays of (layers * directions, ..., size).
    """
    finals: list[States] = []
    for layer in range(len(weights) // directions):
        made = []
        for direction in range(directions):
            at = layer * directions + direction
            given = None if states is None else tuple(s[at] for s in states)
            outputs, final = run(cell, x, weights[at], given, direction == 1, activation)
            made.append(outputs)
            finals.append(final)
        x = np.concatenate(made, -1)
    return x, tuple(np.stack(kept) for kept in zip(*finals, strict=True))
