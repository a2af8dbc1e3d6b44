"""A converted model under repair: what is changed in it, and whether it is then right."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec

from graphfuzz.graph import Case, Node, Values
from graphfuzz.oracle.attribution.execution import run_at
from graphfuzz.oracle.attribution.ground import Ground
from graphfuzz.oracle.attribution.nodes import Intermediates, region, value_names
from graphfuzz.oracle.judge import check
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
    """The converted model of a finding, and the node that is blamed.

    The model that has every value as an output where the fault is there, too, else the finding's own. proto: that one.
    outputs: the source graph's names for its outputs. names: the model's for the source graph's values.
    """

    def __init__(self, ground: Ground, node: Node, seen: Callable[[], Intermediates]) -> None:
        import onnx

        self.ground, self.node = ground, node
        self.inputs = ground.all_source.cases[ground.binding].inputs()
        several = len(ground.case.graph.nodes) > 1 and ground.outcome.verdict == WRONG_OUTPUT
        whole = seen() if several else None
        if whole is not None and whole.faulty:
            self.proto, self.outputs = whole.proto, ground.all_values.graph.outputs
        else:
            self.proto, self.outputs = onnx.load_from_string(ground.model), ground.case.graph.outputs
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
        if not own:
            return True
        try:
            if self.ground.outcome.verdict == INVALID_MODEL:
                check(repair.proto, self.inputs)
            made = run_at(repair.proto.SerializeToString(), repair.inputs)
        except Exception:  # noqa: BLE001 - a repair that the runtime refuses mends nothing; most are such
            return True
        actual = dict(zip(self.outputs, made, strict=True))
        return self.ground.values_held({name: actual[name] for name in own}, repair.proto) is not None

    def mends_by_accident(self, repair: Repair) -> bool:
        """Whether the changed model is wrong on other inputs; of what was found by trying, also whether there are none.
        Where a change is to the inputs, that is not asked."""
        others = self.ground.others
        if repair.inputs is not self.inputs:
            return False
        return (repair.tried and not others) or any(self._faults_on(repair, other) for other in others)

    def _faults_on(self, repair: Repair, other: tuple[Case, Values]) -> bool:
        try:
            made = run_at(repair.proto.SerializeToString(), other[0].inputs())
        except Exception:  # noqa: BLE001 - as above
            return True
        actual = dict(zip(self.outputs, made, strict=True))
        own = {name: actual[name] for name in self.ground.case.graph.outputs}
        return self.ground.other_held(other, own, repair.proto) is not None
