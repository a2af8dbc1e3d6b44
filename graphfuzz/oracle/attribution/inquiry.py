"""Which witnesses are asked, in which order, and the attribution that follows.

The inquiry knows witnesses by name only, so that it is the same whether they answer in this process or each in a worker
of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from graphfuzz.graph import Case, Graph
from graphfuzz.oracle.attribution import evidence as words
from graphfuzz.oracle.attribution.evidence import ALIKE, OTHERWISE, SILENT, SOUND, Decision, Witness, decide
from graphfuzz.oracle.attribution.repair import KERNEL, KINDS, OPTIMIZATION_OFF, SUB_GRAPH
from graphfuzz.oracle.attribution.taxonomy import cause, location, symptom
from graphfuzz.oracle.attribution.witnesses import Examiner
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import HANG, INVALID_MODEL, OF_MODELS, PROCESS_CRASH, WRONG_OUTPUT, Outcome
from graphfuzz.spec.registry import Registry

BUDGET = 10.0
"""The most seconds that are spent on one finding; a witness that has begun is heard to the end."""
ISOLATED_BUDGET = 30.0
"""The same where every witness has a worker of its own, because most of it goes into starting workers."""
IMPORT = 5.0
"""How much of it must be left for another framework to be asked, which this process may have to import first."""
TIME = "time"
"""The witness that says that time ended."""

_OPTIMIZED = (words.CONVERTER_OPTIMIZATION, words.RUNTIME_OPTIMIZATION)
_RUNTIME = (words.RUNTIME_LOAD, words.RUNTIME_OPTIMIZATION, words.RUNTIME_KERNEL)


class Attribution(msgspec.Struct, frozen=True):
    """Who is to blame for a finding, and how that is known.

    stage: where (see `evidence.STAGES`), empty where it did not show again. node, operator: the source graph's node, by
    its first output, and its operator, or empty. optimizer: the converter's or runtime's, where it is one. proof: what
    kind of repair mends it (see `repair`), or empty. location, symptom, cause: in the words of the study (`taxonomy`).
    contradiction: where witnesses contradict each other or cannot tell. evidence: what each of them said, in order.
    """

    stage: str
    node: str = ""
    operator: str = ""
    optimizer: str = ""
    proof: str = ""
    location: str = ""
    symptom: str = ""
    cause: str = ""
    contradiction: str = ""
    evidence: tuple[Witness, ...] = ()


def attribute(
    case: Case, outcome: Outcome, route: Route, registry: Registry, tolerance: Tolerance, seconds: float = BUDGET
) -> Attribution:
    """The attribution of a finding, every witness heard in this process."""
    return inquire(case.graph, outcome, route, Examiner(case, outcome, route, registry, tolerance).ask, seconds)


def inquire(
    graph: Graph, outcome: Outcome, route: Route, ask: Callable[[str], Witness], seconds: float = BUDGET
) -> Attribution:
    """The attribution of a finding on a graph. ask: has a witness, named, answer."""
    return _Inquiry(graph, outcome, route, ask, time.monotonic() + seconds).attribution()


class _Inquiry:
    """One inquiry; `heard` is the evidence so far."""

    def __init__(
        self, graph: Graph, outcome: Outcome, route: Route, ask: Callable[[str], Witness], deadline: float
    ) -> None:
        self.graph, self.outcome, self.route = graph, outcome, route
        self.heard: list[Witness] = []
        self._ask, self._deadline = ask, deadline

    def attribution(self) -> Attribution:
        if self.outcome.verdict != HANG and self._says(words.AGAIN) == SOUND:
            return self._concluded(Decision("", "", "the finding did not show when it was run again"), "", "")
        self._hear_programs()
        decision = self._decided()
        if decision.stage != words.CAPTURE:
            self._hear_models()
            self._hear_conversions()
            decision = self._decided()
        node = self._located()
        proof = self._proof(decision, node)
        return self._concluded(decision if proof else self._decided(mended=False), node, proof)

    def _says(self, question: str) -> str:
        """What a witness says; silence, noted once, when time has ended."""
        if time.monotonic() >= self._deadline:
            if not any(witness.name == TIME for witness in self.heard):
                self.heard.append(Witness(TIME, SILENT, f"ended before '{question}' was asked"))
            return SILENT
        self.heard.append(self._ask(question))
        return self.heard[-1].said

    def _decided(self, mended: bool = True) -> Decision:
        return decide(self.outcome, self.heard, self.route.programs, self.route.without, mended)

    def _hear_programs(self) -> None:
        for name in self.route.programs:
            if self._says(words.program(name)) == ALIKE:
                return

    def _hear_conversions(self) -> None:
        """Each of the converter's optimizations, and the parts of one that matters."""
        mending: set[str] = set()
        for name in self.route.without:
            whole = name.rpartition("/")[0]
            if (not whole or whole in mending) and self._says(words.without(name)) == SOUND:
                mending.add(name)

    def _hear_models(self) -> None:
        """The converted model, where there is one, run in other ways."""
        if self.outcome.stage == "conversion":
            return
        if self.outcome.verdict == INVALID_MODEL:
            self._says(words.STRUCTURE)
            self._says(words.RUNTIME)
            return
        target = self.route.target
        reference = self._says(words.REFERENCE) if target.reference is not None else SILENT
        if target.is_onnx and reference != SILENT and self.outcome.stage in ("load", "run"):
            self._says(words.RULES)
        plain = self._says(words.PLAIN_RUNTIME) if target.plain is not None else SILENT
        if self.outcome.verdict == WRONG_OUTPUT:
            self._says(words.NUMPY)
            if reference == plain == ALIKE:
                self._says(words.REFERENCE_AND_RUNTIME)
        if plain == SOUND and target.has_optimizers:
            self._hear_optimizers()

    def _hear_optimizers(self) -> None:
        """The lowest level at which the fault is there, and the last optimizer without which it is not.

        The last, because what acted before may only have made the model such that the one at fault applies.
        """
        for name in ("basic", "extended", "all"):
            if self._says(words.level(name)) in (ALIKE, OTHERWISE):
                break
        self._says(words.ACTED)
        if self.outcome.verdict in (HANG, PROCESS_CRASH):
            self._halve(self.heard[-1].about)
            return
        innocent: list[Witness] = []
        for name in reversed(self.heard[-1].about):
            if self._says(words.optimizer(name)) in (SOUND, SILENT):
                break
            innocent.append(self.heard.pop())
        if innocent:
            names = tuple(witness.name.removeprefix(words.optimizer("")) for witness in innocent)
            self.heard.append(Witness(words.optimizer("one other"), ALIKE, "each changes nothing", names))

    def _halve(self, names: tuple[str, ...]) -> None:
        """The same where each answer may cost a worker: half of what is left is switched off at a time."""
        while len(names) > 1:
            half = names[len(names) // 2 :]
            said = self._says(words.optimizer(", ".join(half)))
            if self.heard[-1].name == TIME:
                return
            self.heard[-1] = Witness(words.optimizer(f"{len(half)} of {len(names)}"), said, "", half)
            names = half if said == SOUND else names[: len(names) // 2]
        for name in names:
            self._says(words.optimizer(name))

    def _located(self) -> str:
        """The node at fault, or empty. Where all values as outputs hide the fault, each node alone, then prefixes."""
        nodes = self.graph.nodes
        if len(nodes) == 1:
            return nodes[0].name
        if self.outcome.verdict == WRONG_OUTPUT and self._says(words.INTERMEDIATES) == ALIKE and self.heard[-1].about:
            (name,) = self.heard[-1].about
            self._says(words.alone(name))
            return name
        for node in nodes:
            if self._says(words.alone(node.name)) == ALIKE:
                return node.name
        if self.outcome.verdict in OF_MODELS:  # what is wrong of one node may come to light at another only
            for node in nodes:
                if self._said(words.alone(node.name)) == OTHERWISE:
                    return node.name
        wrong = (ALIKE, OTHERWISE) if self.outcome.verdict in OF_MODELS else (ALIKE,)
        for node in nodes:
            if self._says(words.up_to(node.name)) in wrong:
                return self._misleading(node.name) or node.name
        return ""

    def _misleading(self, node: str) -> str:
        """The node whose wrong model, which gets further alone, another node cannot follow that is right alone: without
        the first there is no fault. Empty where there is none."""
        if any(witness.about or witness.said != SOUND for witness in self._heard_as(words.alone(node))):
            return ""
        further = [
            other.name
            for other in self.graph.nodes
            for witness in self._heard_as(words.alone(other.name))
            if other.name != node and witness.said == SOUND and set(witness.about) & set(OF_MODELS)
        ]
        return next((name for name in further if self._says(words.rest(name)) == SOUND), "")

    def _proof(self, decision: Decision, node: str) -> str:
        """The kind of the first repair that mends it."""
        if decision.stage in _OPTIMIZED:
            return OPTIMIZATION_OFF
        if not node:
            return ""
        is_right = self._said(words.REFERENCE) == SOUND and self._said(words.RULES) != ALIKE
        if is_right and decision.stage in _RUNTIME and self._fails_alone(node):
            return KERNEL
        if self.outcome.stage != "conversion" and self.route.target.is_onnx:
            for kind in (SUB_GRAPH,) if is_right else KINDS:
                if self._says(words.repair(kind, node)) == SOUND:
                    return kind
        if self.outcome.verdict != WRONG_OUTPUT and len(self.graph.nodes) > 1:
            asked = self._heard_as(words.rest(node))
            if (asked[0].said if asked else self._says(words.rest(node))) == SOUND:
                return SUB_GRAPH
        if not is_right and self._is_right_by_another_converter(node) and self._fails_alone(node):
            return SUB_GRAPH
        return ""

    def _is_right_by_another_converter(self, node: str) -> bool:
        if self._says(words.elsewhere(node)) == SOUND:
            return True
        in_time = self._deadline - time.monotonic() > IMPORT
        return in_time and self._says(words.abroad(node)) == SOUND

    def _said(self, question: str) -> str:
        """What a witness has said, if it was asked."""
        return next((witness.said for witness in self._heard_as(question)), SILENT)

    def _heard_as(self, question: str) -> list[Witness]:
        return [witness for witness in self.heard if witness.name == question]

    def _fails_alone(self, node: str) -> bool:
        """Whether the node alone shows the fault, which makes a right model of it alone a proof."""
        if len(self.graph.nodes) == 1:
            return True
        asked = any(witness.name == words.alone(node) for witness in self.heard)
        return (self._said(words.alone(node)) if asked else self._says(words.alone(node))) == ALIKE

    def _concluded(self, decision: Decision, node: str, proof: str) -> Attribution:
        place = location(decision.stage, node)
        return Attribution(
            stage=decision.stage,
            node=node,
            operator=next((made.op for made in self.graph.nodes if made.name == node), ""),
            optimizer=decision.optimizer,
            proof=proof,
            location=place,
            symptom=symptom(self.outcome, place),
            cause=cause(self.outcome, proof),
            contradiction=decision.contradiction,
            evidence=tuple(self.heard),
        )
