"""A converted model under repair: what is changed in it, and whether it is then right."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from graphfuzz.graph import Array, Case, Node, Values, parts
from graphfuzz.oracle.attribution.ground import Ground
from graphfuzz.oracle.attribution.nodes import Intermediates, region, value_names
from graphfuzz.oracle.checking import check
from graphfuzz.oracle.execution import is_unable, run_reference
from graphfuzz.oracle.verdict import INVALID_MODEL, WRONG_OUTPUT


class Repair(msgspec.Struct, frozen=True, eq=False):
    """A changed model.

    inputs: what it is run on. fed: the graph's values that it is given, which prove nothing. tried: whether nothing of
    the source says that it should be so; then it has to be right on other inputs.
    """

    words: str
    proto: Any
    inputs: Values
    fed: frozenset[str] = frozenset()
    tried: bool = False


class Patient:
    """The converted ONNX model of a finding, and the node that is blamed.

    The model that has every value as an output where the fault is there, too, else the finding's own. proto: that one.
    outputs: the source graph's names for its outputs. names: the model's for the source graph's values.
    """

    def __init__(self, ground: Ground, node: Node, seen: Callable[[], Intermediates]) -> None:
        self.ground, self.node = ground, node
        self.inputs = ground.all_source.cases[ground.binding].inputs()
        several = len(ground.case.graph.nodes) > 1 and ground.outcome.verdict == WRONG_OUTPUT
        whole = seen() if several else None
        if whole is not None and whole.faulty:
            self.proto, self.outputs = whole.proto, ground.all_values.graph.outputs
        else:
            self.proto, self.outputs = ground.proto, ground.case.graph.outputs
        self.names = value_names(self.proto, self.inputs, self.outputs)

    @cached_property
    def region(self) -> list[int]:
        """The positions of the nodes that the blamed node was converted to."""
        return region(self.proto, self.names, self.node)

    def copy(self) -> Any:
        """The model, to be changed."""
        made = type(self.proto)()
        made.CopyFrom(self.proto)
        return made

    def faults(self, repair: Repair) -> bool:
        """Whether outputs of the case are still wrong; also where the changed model does not run."""
        own = [name for name in self.ground.case.graph.outputs if name not in repair.fed]
        if not own or self._is_far_off(repair):
            return True
        try:
            if self.ground.outcome.verdict == INVALID_MODEL:
                check(repair.proto, self.inputs)
            made = self.ground.route.target.execute(repair.proto.SerializeToString(), repair.inputs)
        except Exception:  # noqa: BLE001 - a repair that the runtime refuses mends nothing; most are such
            return True
        actual = dict(zip(self.outputs, made, strict=True))
        return self.ground.values_held({name: actual[name] for name in own}, repair.proto) is not None

    def _is_far_off(self, repair: Repair) -> bool:
        """Whether the reference evaluator says so: on some nonsense the runtime, and ONNX's inference, abort.

        Its word on loops is not taken: it joins what they collect in another way than ONNX says. It is not asked where
        nothing of the model is changed but what it is given.
        """
        if repair.inputs is not self.inputs or any(
            attribute.g.node for node in repair.proto.graph.node for attribute in node.attribute
        ):
            return False
        distance = self._distance(repair.proto)
        wrong = self.ground.outcome.verdict == WRONG_OUTPUT
        return distance is not None and distance > (
            NEAR if self._own is None or not wrong else min(NEAR, self._own / 2)
        )

    @cached_property
    def _own(self) -> float | None:
        return self._distance(self.proto)

    def _distance(self, proto: Any) -> float | None:
        """How far off the case's outputs are by the reference evaluator, relative to numbers or to one: infinite where
        the model does not run; None where the evaluator does not know an operator."""
        try:
            made = run_reference(proto.SerializeToString(), self.inputs)
        except Exception as error:  # noqa: BLE001 - as above
            return None if is_unable(error) else math.inf
        expected = self.ground.recorded[self.ground.binding]
        actual = dict(zip(self.outputs, made, strict=True))
        return max(_apart(actual[name], expected[name]) for name in self.ground.case.graph.outputs)

    def mends_by_accident(self, repair: Repair) -> bool:
        """Whether the changed model is wrong on other inputs; of what was found by trying, also whether there are none
        on which the outputs are others, or the node gives back an operand, as whatever does nothing would. Where a
        change is to the inputs, that is not asked."""
        if repair.inputs is not self.inputs:
            return False
        if repair.tried and not self._varied:
            return True
        return any(self._faults_on(repair, other) for other in self.ground.others) or (
            repair.tried and self._gives_back
        )

    @cached_property
    def larger(self) -> Patient | None:
        """The same node of a larger variant."""
        ground = self.ground.larger
        return None if ground is None else Patient(ground, ground.nodes[self.node.name], lambda: Intermediates(ground))

    @property
    def is_of_one_element(self) -> bool:
        """Whether nothing that the node takes or gives has more elements."""
        known = self.ground.recorded[self.ground.binding]
        return all(known[name].size <= 1 for name in (*self.node.inputs, *(v.name for v in self.node.outputs)))

    @property
    def _gives_back(self) -> bool:
        """Whether each of the node's results is one of its operands, wherever it was run."""
        grounds = [self.ground, *([self.ground.larger] if self.ground.larger else [])]
        runs = [ground.recorded[ground.binding] for ground in grounds]
        return all(
            any(_is_same(values[value.name], values[name]) for name in self.node.inputs)
            for values in runs
            for value in self.node.outputs
        )

    @cached_property
    def _varied(self) -> bool:
        """Whether the source model's outputs depend on its inputs, as far as other inputs show."""
        own = self.ground.recorded[self.ground.binding]
        return any(
            not np.array_equal(made[name], own[name], equal_nan=own[name].dtype.kind in "fc")
            for _, made in self.ground.others
            for name in self.ground.case.graph.outputs
        )

    def _faults_on(self, repair: Repair, other: tuple[Case, Values]) -> bool:
        try:
            made = self.ground.route.target.execute(repair.proto.SerializeToString(), other[0].inputs())
        except Exception:  # noqa: BLE001 - as above
            return True
        actual = dict(zip(self.outputs, made, strict=True))
        own = {name: actual[name] for name in self.ground.case.graph.outputs}
        return self.ground.other_held(other, own, repair.proto) is not None


NEAR = 0.01
"""How far off a repair that was found by trying may be before it is compared: most of what is tried is further. It has
to halve what the outputs of a wrong model are off by, too."""


def _is_same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


def _apart(actual: Array, expected: Array) -> float:
    """The largest difference, relative to a number or to one."""
    one, other = (parts(array).astype("float64") for array in (actual, expected))
    if one.size != other.size:
        return math.inf
    one, other = one.ravel(), other.ravel()
    with np.errstate(all="ignore"):
        apart = np.abs(one - other) / np.maximum(np.abs(other), 1.0)
    apart[(one == other) | (np.isnan(one) & np.isnan(other))] = 0.0
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))
