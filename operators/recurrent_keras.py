"""Keras' recurrent layers with all that they can do, in Keras' layout of weights: gates along the columns.

The gates come in the order in, forget, new, out; update, reset, new.
https://keras.io/api/layers/recurrent_layers/
"""

from __future__ import annotations

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
    operator,
    tensor,
    weight,
)
from graphfuzz.spec.operator import Parameter
from operators.precision import Array, wide
from operators.recurrence import GRU, GRU_BEFORE, LSTM, SIMPLE, Cell, States, Weights, run, step
from operators.recurrent import CALM, DOMAIN, equal, with_parameters

KINDS: Mapping[str, Cell] = {"LSTM": LSTM, "GRU": GRU, "SimpleRNN": SIMPLE}
_BEFORE = "reset_after=False"


class Kind(msgspec.Struct, frozen=True):
    """A kind of Keras cell: its name, whether it has a bias, and (of a GRU) whether its reset comes before."""

    name: str
    biased: bool = True
    before: bool = False

    @property
    def cell(self) -> Cell:
        """How it computes."""
        return GRU_BEFORE if self.before else KINDS[self.name]

    @property
    def paired(self) -> bool:
        """Whether there are two biases, stacked."""
        return self.name == "GRU" and not self.before

    @property
    def options(self) -> str:
        """What its constructor is told."""
        return ", ".join((["use_bias=False"] if not self.biased else []) + ([_BEFORE] if self.before else []))

    def parameters(self, suffix: str = "") -> list[Parameter]:
        """Its weights, in Keras' order."""
        bias = [weight(f"bias{suffix}", rank=2 if self.paired else 1)] if self.biased else []
        return [weight(f"kernel{suffix}", rank=2), weight(f"recurrent{suffix}", rank=2, domain=CALM), *bias]

    def fit(self, require: Require, features: Size, weights: Sequence[Tensor]) -> Size:
        """Requires the weights to fit; the number of units."""
        kernel, recurrent, *biases = weights
        units = recurrent.shape[0]
        columns = self.cell.gates * units
        equal(require, recurrent.shape, (units, columns), "recurrent kernel")
        equal(require, kernel.shape, (features, columns), "kernel")
        for bias in biases:
            equal(require, bias.shape, (2, columns) if self.paired else (columns,), "bias")
        return units

    def weights(self, arrays: Sequence[Array]) -> Weights:
        """The weights in the order of gates that `recurrence` has."""
        kernel, recurrent, *biases = (self._ordered(wide(a)) for a in arrays)
        if not biases:
            return Weights(kernel, recurrent)
        return Weights(kernel, recurrent, *biases[0]) if self.paired else Weights(kernel, recurrent, biases[0])

    def _ordered(self, array: Array) -> Array:
        if self.name != "GRU":
            return array
        update, reset, new = np.split(array, 3, axis=-1)
        return np.concatenate([reset, update, new], -1)


def constructed(kind: str, units: int, dtype: str, *options: str) -> str:
    """A layer's construction; in bfloat16 its usual initializer (of what is overwritten anyway) has no kernel."""
    initial = ['recurrent_initializer="zeros"'] if dtype == "bfloat16" else []
    return f"layers.{kind}({', '.join([str(units), *filter(None, options), *initial, f'dtype={dtype!r}'])})"


def flags(**given: bool) -> list[str]:
    """The options that are true, as they are written."""
    return [f"{name}=True" for name, true in given.items() if true]


# Layers


def _rule(kind: Kind, given: bool) -> Callable[..., Any]:
    count = kind.cell.states * given

    def rule(require: Require, *operands: Tensor, sequences: bool, states: bool = False, **attrs: Any) -> list[Shape]:
        x, initial, weights = operands[0], operands[1 : 1 + count], operands[1 + count :]
        batch, time, features = x.shape
        units = kind.fit(require, features, weights)
        for state in initial:
            equal(require, state.shape, (batch, units), "state")
        finals: list[Shape] = [(batch, units)] * kind.cell.states
        return [(batch, time, units) if sequences else (batch, units), *(finals if states else [])]

    return rule


def _reference(kind: Kind, given: bool) -> Callable[..., Any]:
    count = kind.cell.states * given

    def reference(
        x: Array,
        *arrays: Array,
        sequences: bool,
        states: bool = False,
        backward: bool = False,
        unroll: bool = False,
        activation: str = "tanh",
        gating: str = "sigmoid",
    ) -> list[Array]:
        weights = kind.weights(arrays[count:])
        inward = np.swapaxes(x, 0, 1)[:: -1 if backward else 1]
        outputs, finals = run(kind.cell, inward, weights, arrays[:count] or None, False, activation, gating)
        return [np.swapaxes(outputs, 0, 1) if sequences else outputs[-1], *(finals if states else [])]

    return reference


def _emission(name: str, kind: Kind, given: bool) -> Emission:
    names = ("hidden", "memory")[: kind.cell.states * given]

    def layer(x: Any, recurrent: Any, sequences: bool, **attrs: Any) -> str:
        told = flags(
            return_sequences=sequences,
            return_state=attrs.get("states", False),
            go_backwards=attrs.get("backward", False),
            unroll=attrs.get("unroll", False),
        )
        functions = {"activation": attrs.get("activation"), "recurrent_activation": attrs.get("gating")}
        told += [f"{option}={function!r}" for option, function in functions.items() if function]
        return constructed(kind.name, recurrent.shape[0], x.dtype, kind.options, *told)

    states = ", initial_state=" + _states(name, names) if names else ""
    state = {p.name: "{" + p.name + "}" for p in kind.parameters()}
    return emission("{layer}({x}" + states + ")", layer=layer, state=state, helper=_guard(name) if names else "")


def _states(name: str, names: Sequence[str]) -> str:
    """The states as an emission gives them to a layer of as many units as the operand `recurrent` tells."""
    return f"{name}_states({{x}}, {{recurrent.shape[0]}}, {', '.join('{' + n + '}' for n in names)})"


def _guard(name: str) -> str:
    return f'''
    def {name}_states(x, units, *states):
        """Keras stretches states of size one, and then infers another shape than it makes; and it takes products with
        numbers for sparse tensors, of which it can make no states."""
        if any(state.shape != (x.shape[0], units) for state in states):
            raise ValueError("a state has another shape than the layer keeps")
        return [ops.convert_to_tensor(state, sparse=False) for state in states]
    '''


def _layer(name: str, doc: str, kind: Kind, given: bool = False, **attrs: Any) -> Operator:
    """One of Keras' layers; `given`: with initial states."""
    initial = [tensor(n, rank=2) for n in ("hidden", "memory")[: kind.cell.states * given]]
    parameters = [tensor("x", rank=3), *initial, *kind.parameters()]
    named = {"sequences": flag(), **attrs}
    return operator(
        *parameters,
        attrs=named,
        dtypes=FLOATS,
        domain=DOMAIN,
        reference=_reference(kind, given),
        keras=_emission(name, kind, given),
    )(with_parameters(_rule(kind, given), parameters, named, name, doc))


_FUNCTIONS = choice("tanh", "relu", "sigmoid", "hard_sigmoid", "softsign", "elu", "linear")
_GATINGS = choice("sigmoid", "hard_sigmoid")


def _layers(short: str, kind: str, told: str, **functions: Any) -> list[Operator]:
    every: dict[str, Any] = {"states": flag(), "backward": flag()}
    return [
        _layer(f"keras_{short}", f"{told}, with its last states or without, forward or backward.", Kind(kind), **every),
        _layer(f"keras_{short}_unrolled", f"{told}, its loop unrolled.", Kind(kind), unroll=choice(True), **every),
        _layer(f"keras_{short}_unbiased", f"{told} without bias.", Kind(kind, biased=False), states=flag()),
        _layer(f"keras_{short}_continued", f"{told} from given states.", Kind(kind), True, states=flag()),
        _layer(f"keras_{short}_activated", f"{told} with other activations.", Kind(kind), **functions),
    ]


LAYERS = [
    *_layers("lstm", "LSTM", "Keras' LSTM", activation=_FUNCTIONS, gating=_GATINGS),
    *_layers("gru", "GRU", "Keras' GRU", activation=_FUNCTIONS, gating=_GATINGS),
    *_layers("rnn", "SimpleRNN", "Keras' SimpleRNN", activation=_FUNCTIONS),
    _layer("keras_gru_before", "Keras' GRU, its reset before the product.", Kind("GRU", before=True), states=flag()),
    _layer(
        "keras_gru_before_unbiased", "The same without bias.", Kind("GRU", biased=False, before=True), states=flag()
    ),
]


# Both directions

_MERGES: Mapping[str, Callable[[Array, Array], Any]] = {
    "concat": lambda a, b: [np.concatenate([a, b], -1)],
    "sum": lambda a, b: [a + b],
    "mul": lambda a, b: [a * b],
    "ave": lambda a, b: [(a + b) / 2],
    "none": lambda a, b: [a, b],
}


def _bidirectional(name: str, kind: Kind) -> Operator:
    forward, backward = kind.parameters(), kind.parameters("_backward")
    each = len(forward)

    def rule(require: Require, *operands: Tensor, sequences: bool, states: bool, merge: str) -> list[Shape]:
        x, weights = operands[0], operands[1:]
        batch, time, features = x.shape
        units = kind.fit(require, features, weights[:each])
        require(kind.fit(require, features, weights[each:]) == units, "both directions have equally many units")
        width = 2 * units if merge == "concat" else units
        merged: Shape = (batch, time, width) if sequences else (batch, width)
        finals: list[Shape] = [(batch, units)] * (2 * kind.cell.states)
        return [merged] * (2 if merge == "none" else 1) + (finals if states else [])

    def reference(x: Array, *arrays: Array, sequences: bool, states: bool, merge: str) -> list[Array]:
        inward = np.swapaxes(x, 0, 1)
        ahead, ends = run(kind.cell, inward, kind.weights(arrays[:each]))
        back, starts = run(kind.cell, inward, kind.weights(arrays[each:]), backward=True)
        pair = (np.swapaxes(ahead, 0, 1), np.swapaxes(back, 0, 1)) if sequences else (ends[0], starts[0])
        return [*_MERGES[merge](*pair), *((*ends, *starts) if states else ())]

    def layer(x: Any, recurrent: Any, sequences: bool, states: bool, merge: str, **given: Any) -> str:
        told = flags(return_sequences=sequences, return_state=states)
        inner = constructed(kind.name, recurrent.shape[0], x.dtype, kind.options, *told)
        mode = {"concat": "", "none": ", merge_mode=None"}.get(merge, f", merge_mode={merge!r}")
        return f"layers.Bidirectional({inner}{mode}, dtype={x.dtype!r})"

    parameters = [tensor("x", rank=3), *forward, *backward]
    attrs = {"sequences": flag(), "states": flag(), "merge": choice(*_MERGES)}
    doc = f"Keras' {kind.name} in both directions, merged."
    return operator(
        *parameters,
        attrs=attrs,
        dtypes=FLOATS,
        domain=DOMAIN,
        reference=reference,
        keras=emission("{layer}({x})", layer=layer, state={p.name: "{" + p.name + "}" for p in parameters[1:]}),
    )(with_parameters(rule, parameters, attrs, name, doc))


BOTH = [
    _bidirectional("keras_bidirectional_lstm", Kind("LSTM")),
    _bidirectional("keras_bidirectional_gru", Kind("GRU")),
    _bidirectional("keras_bidirectional_gru_before", Kind("GRU", before=True)),
    _bidirectional("keras_bidirectional_rnn", Kind("SimpleRNN")),
    _bidirectional("keras_bidirectional_lstm_unbiased", Kind("LSTM", biased=False)),
]


# Cells: alone, and in layers.RNN


def _cells(kinds: Sequence[Kind]) -> tuple[list[Parameter], list[slice]]:
    """The weights of all cells, and where each one's are."""
    parameters: list[Parameter] = []
    places = []
    for at, kind in enumerate(kinds):
        own = kind.parameters(f"_{at}")
        places.append(slice(len(parameters), len(parameters) + len(own)))
        parameters += own
    return parameters, places


def _looped(name: str, kinds: Sequence[Kind]) -> Operator:
    """A stack of cells (of one, bare) in `layers.RNN`."""
    weights, places = _cells(kinds)

    def rule(require: Require, *operands: Tensor, sequences: bool, states: bool, backward: bool) -> list[Shape]:
        batch, time, size = operands[0].shape
        finals: list[Shape] = []
        for kind, place in zip(kinds, places, strict=True):
            size = kind.fit(require, size, operands[1:][place])
            finals += [(batch, size)] * kind.cell.states
        return [(batch, time, size) if sequences else (batch, size), *(finals if states else [])]

    def reference(x: Array, *arrays: Array, sequences: bool, states: bool, backward: bool) -> list[Array]:
        now = np.swapaxes(x, 0, 1)[:: -1 if backward else 1]
        finals: list[Array] = []
        for kind, place in zip(kinds, places, strict=True):
            now, last = run(kind.cell, now, kind.weights(arrays[place]))
            finals += last
        return [np.swapaxes(now, 0, 1) if sequences else now[-1], *(finals if states else [])]

    def layer(x: Any, sequences: bool, states: bool, backward: bool, **given: Any) -> str:
        made = [
            constructed(f"{kind.name}Cell", given[f"recurrent_{at}"].shape[0], x.dtype, kind.options)
            for at, kind in enumerate(kinds)
        ]
        several = f"layers.StackedRNNCells([{', '.join(made)}], dtype={x.dtype!r})"
        inner = made[0] if len(made) == 1 else several
        told = flags(return_sequences=sequences, return_state=states, go_backwards=backward)
        return f"layers.RNN({', '.join([inner, *told, f'dtype={x.dtype!r}'])})"

    def call(layer: str, x: str, states: bool, **given: Any) -> str:
        return f"{name}_flat({layer}({x}))" if states else f"{layer}({x})"

    helper = f"""
    def {name}_flat(made):
        return [tensor for part in made for tensor in (part if isinstance(part, (list, tuple)) else [part])]
    """
    parameters = [tensor("x", rank=3), *weights]
    attrs = {"sequences": flag(), "states": flag(), "backward": flag()}
    doc = f"Keras' RNN over {', then '.join(kind.name + 'Cell' for kind in kinds)}."
    return operator(
        *parameters,
        attrs=attrs,
        dtypes=FLOATS,
        domain=DOMAIN,
        reference=reference,
        keras=emission(call, layer=layer, state={p.name: "{" + p.name + "}" for p in weights}, helper=helper),
    )(with_parameters(rule, parameters, attrs, name, doc))


def _once(name: str, kind: Kind) -> Operator:
    """A cell, called once."""
    names = ("hidden", "memory")[: kind.cell.states]

    def rule(require: Require, *operands: Tensor, activation: str) -> list[Shape]:
        x, states, weights = operands[0], operands[1 : 1 + len(names)], operands[1 + len(names) :]
        units = kind.fit(require, x.shape[1], weights)
        for state in states:
            equal(require, state.shape, (x.shape[0], units), "state")
        return [(x.shape[0], units)] * len(names)

    def reference(x: Array, *arrays: Array, activation: str) -> States:
        given = tuple(map(wide, arrays[: len(names)]))
        return step(kind.cell, x, kind.weights(arrays[len(names) :]), given, activation)

    def layer(x: Any, recurrent: Any, activation: str, **given: Any) -> str:
        told = f"activation={activation!r}" if activation != "tanh" else ""
        return constructed(f"{kind.name}Cell", recurrent.shape[0], x.dtype, kind.options, told)

    states = [tensor(n, rank=2) for n in names]
    parameters = [tensor("x", rank=2), *states, *kind.parameters()]
    attrs = {"activation": choice("tanh", "relu", "sigmoid")}
    call = "{layer}({x}, " + _states(name, names) + ")[1]" + ("[0]" if len(names) == 1 else "")
    return operator(
        *parameters,
        attrs=attrs,
        dtypes=FLOATS,
        domain=DOMAIN,
        reference=reference,
        keras=emission(
            call, layer=layer, state={p.name: "{" + p.name + "}" for p in kind.parameters()}, helper=_guard(name)
        ),
    )(with_parameters(rule, parameters, attrs, name, f"Keras' {kind.name}Cell, called once: its new states."))


CELLS = [
    _looped("keras_rnn_of_lstm_cell", [Kind("LSTM")]),
    _looped("keras_rnn_of_gru_cell", [Kind("GRU")]),
    _looped("keras_rnn_of_rnn_cell", [Kind("SimpleRNN")]),
    _looped("keras_rnn_of_lstm_cells", [Kind("LSTM"), Kind("LSTM")]),
    _looped("keras_rnn_of_mixed_cells", [Kind("GRU"), Kind("SimpleRNN"), Kind("LSTM")]),
    _once("keras_lstm_cell", Kind("LSTM")),
    _once("keras_gru_cell", Kind("GRU")),
    _once("keras_gru_cell_before", Kind("GRU", before=True)),
    _once("keras_rnn_cell", Kind("SimpleRNN")),
    _once("keras_lstm_cell_unbiased", Kind("LSTM", biased=False)),
]


OPERATORS: Sequence[Operator] = [*LAYERS, *BOTH, *CELLS]
