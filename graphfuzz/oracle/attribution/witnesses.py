"""The witnesses: each answers one question about a finding by running something once more.

A question is a name, so that it can be asked in this process or in a worker of its own: findings that take the process
down are asked about there, one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from graphfuzz.graph import Case, evaluate
from graphfuzz.oracle.attribution import evidence as words
from graphfuzz.oracle.attribution.evidence import ALIKE, OTHERWISE, SILENT, SOUND, Witness
from graphfuzz.oracle.attribution.ground import Ground, is_sound
from graphfuzz.oracle.attribution.nodes import Intermediates, first_diverging
from graphfuzz.oracle.attribution.patient import Patient
from graphfuzz.oracle.attribution.repair import KINDS, mended_by
from graphfuzz.oracle.attribution.rules import AgainstRules, require_rules
from graphfuzz.oracle.causes import class_name, root_cause
from graphfuzz.oracle.checking import check
from graphfuzz.oracle.execution import (
    LEVELS,
    acting_optimizers,
    all_optimizers,
    run_at,
)
from graphfuzz.oracle.route import Route, default_routes, load_route
from graphfuzz.oracle.target import Run
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.oracle.verdict import (
    HANG,
    HARNESS_ERROR,
    OF_MODELS,
    PROCESS_CRASH,
    UNSTABLE,
    UNSUPPORTED,
    WRONG_OUTPUT,
    Mismatch,
    Outcome,
)
from graphfuzz.oracle.verdict import STAGES as CASE_STAGES
from graphfuzz.spec.registry import Registry


class Examiner:
    """Answers questions about one finding in this process."""

    def __init__(self, case: Case, outcome: Outcome, route: Route, registry: Registry, tolerance: Tolerance) -> None:
        self.ground = Ground(case, outcome, route, registry, tolerance)
        self._intermediates: Intermediates | None = None
        self._answers: dict[str, Callable[[], Witness]] = self._questions()

    def ask(self, question: str) -> Witness:
        """The answer. What raises where nothing was to be judged leaves the witness silent, and is told."""
        try:
            return msgspec.structs.replace(self._answer(question)(), name=question)
        except Exception as error:  # noqa: BLE001 - a witness is a boundary: it becomes what the witness says
            return Witness(question, SILENT, _told(error))

    def _answer(self, question: str) -> Callable[[], Witness]:
        """What answers a question. The runtime's optimizers, and sets of them, are not listed. Raises KeyError."""
        prefix, _, name = question.partition(words.optimizer(""))
        if not prefix and name and question not in self._answers:
            return lambda: self._executed(partial(run_at, disabled=name.split(", ")))
        return self._answers[question]

    def _questions(self) -> dict[str, Callable[[], Witness]]:
        ground, route = self.ground, self.ground.route
        target = route.target
        found: dict[str, Callable[[], Witness]] = {
            words.AGAIN: lambda: self._judged(ground.case),
            words.NUMPY: self._numpy,
            words.RULES: self._rules,
            words.STRUCTURE: self._structure,
            words.RUNTIME: lambda: self._executed(target.execute),
            words.ACTED: self._acting,
            words.INTERMEDIATES: self._diverging,
        }
        for name, run in ((words.REFERENCE, target.reference), (words.PLAIN_RUNTIME, target.plain)):
            if run is not None:
                found[name] = partial(self._executed, run)
        if target.reference is not None and target.plain is not None:
            found[words.REFERENCE_AND_RUNTIME] = partial(self._both, target.reference, target.plain)
        found.update((words.program(name), partial(self._program, name)) for name in route.programs)
        found.update((words.without(name), partial(self._without, name)) for name in route.without)
        found.update((words.level(n), partial(self._executed, partial(run_at, level=n))) for n in LEVELS)
        for name in ground.nodes:
            found.update(self._about(name))
        return found

    def _about(self, name: str) -> dict[str, Callable[[], Witness]]:
        node, ground = self.ground.nodes[name], self.ground
        return {
            words.alone(name): lambda: self._judged(ground.alone(node)),
            words.up_to(name): lambda: self._judged(ground.up_to(node)),
            words.rest(name): lambda: self._judged(ground.rest(node)),
            words.elsewhere(name): lambda: self._elsewhere(name),
            words.abroad(name): lambda: self._abroad(name),
            **{words.repair(kind, name): partial(self._repaired, kind, name) for kind in KINDS},
        }

    def _judged(self, case: Case | None, route: Route | None = None) -> Witness:
        if case is None:
            return Witness("", SILENT, "nothing is left")
        return self._likened(self.ground.judged(case, route))

    def _likened(self, found: Outcome) -> Witness:
        """Another outcome beside the finding's: sound, or beyond its stage; alike; another fault; or nothing said.

        A wrong model gets beyond a stage with less of it known, and is wrong all the same.
        """
        wanted = self.ground.outcome
        if wanted.verdict == WRONG_OUTPUT and found.verdict == UNSTABLE:
            return Witness(
                "", SILENT, "the outputs differ, and so does the source model when its rounding is disturbed"
            )
        if is_sound(found):
            return Witness("", SOUND, found.verdict)
        if (found.verdict, found.stage, found.error) == (wanted.verdict, wanted.stage, wanted.error):
            return Witness("", ALIKE, found.summary())
        if found.verdict == HARNESS_ERROR:
            return Witness("", SILENT, found.summary())
        still = wanted.verdict in OF_MODELS and found.verdict in OF_MODELS
        if CASE_STAGES.index(found.stage) > CASE_STAGES.index(wanted.stage) and not still:
            return Witness("", SOUND, f"gets further, to {found.summary()}", (found.verdict,))
        return Witness("", SILENT if found.verdict == UNSUPPORTED else OTHERWISE, found.summary())

    def _program(self, name: str) -> Witness:
        """A program that the converter starts from, run by the source framework itself."""
        ground, source = self.ground, self.ground.source
        given = source.cases[ground.binding].inputs()
        try:
            made = ground.route.programs[name](source.model, source.cases[0].inputs(), source.axes, given)
        except Exception as error:  # noqa: BLE001 - a witness is a boundary: it becomes what the witness says
            return self._raised(error)
        return self._differing(ground.held(made))

    def _raised(self, error: Exception) -> Witness:
        alike = class_name(root_cause(error)) == self.ground.outcome.error
        return Witness("", ALIKE if alike else OTHERWISE, _told(error))

    def _differing(self, mismatch: Mismatch | None) -> Witness:
        if mismatch is None:
            return Witness("", SOUND, "agrees with the source model")
        alike = self.ground.outcome.verdict == WRONG_OUTPUT
        return Witness("", ALIKE if alike else OTHERWISE, mismatch.detail)

    def _without(self, name: str) -> Witness:
        with self.ground.route.without[name]():
            return self._judged(self.ground.case)

    def _executed(self, run: Run) -> Witness:
        """The converted model run in another way."""
        ground, target = self.ground, self.ground.route.target
        try:
            made = run(ground.model, ground.source.cases[ground.binding].inputs())
        except Exception as error:  # noqa: BLE001 - a witness is a boundary: it becomes what the witness says
            if run is target.reference and (ground.outcome.mismatch is not None or target.unable(error)):
                return Witness("", SILENT, _told(error))
            if target.lacks(error):
                further = ground.outcome.stage == "load"  # kernels are looked up last, in a graph that is sound by then
                return Witness("", SOUND if further else SILENT, _told(error))
            return self._raised(error)
        return self._differing(ground.held(made, ground.proto))

    def _structure(self) -> Witness:
        """ONNX's check without inference: whether it is a model at all, whatever it computes."""
        try:
            check(self.ground.proto, self.ground.case.inputs(), inference=False)
        except Exception as error:  # noqa: BLE001 - a witness is a boundary: it becomes what the witness says
            return self._raised(error)
        return Witness("", SOUND, "only inference objects")

    def _rules(self) -> Witness:
        """Whether the runtime may refuse the model, though the reference evaluator runs it."""
        from onnx.shape_inference import InferenceError

        ground = self.ground
        try:
            failing = require_rules(ground.model, ground.source.cases[ground.binding].inputs())
        except (AgainstRules, InferenceError) as error:
            return Witness("", ALIKE, _told(error))
        if failing:
            return Witness(
                "", SOUND, f"each node up to {failing}, where the evaluator fails, keeps to them", (failing,)
            )
        return Witness("", SOUND, "each node keeps to them")

    def _both(self, reference: Run, plain: Run) -> Witness:
        """The reference evaluator's outputs and the runtime's, held against each other."""
        ground = self.ground
        given = ground.source.cases[ground.binding].inputs()
        expected = dict(zip(ground.case.graph.outputs, reference(ground.model, given), strict=True))
        return self._differing(ground.held(plain(ground.model, given), expected=expected))

    def _numpy(self) -> Witness:
        """The operators' own references in the source model's place: sound where the converted model agrees with them
        and the source model does not."""
        ground = self.ground
        bound = ground.source.cases[ground.binding]
        values = evaluate(bound.graph, bound.tensors, ground.registry)
        told = {name: values[name] for name in bound.graph.outputs}
        source = ground.held(list(told.values()))
        if source is None:
            return Witness("", ALIKE, "agree with the source model")
        made = ground.route.target.execute(ground.model, bound.inputs())
        mismatch = ground.held(made, expected=told)
        if mismatch is None:
            return Witness("", SOUND, f"agree with the converted model; the source model: {source.detail}")
        return Witness("", OTHERWISE, f"agree with neither: {source.detail}; {mismatch.detail}")

    def _acting(self) -> Witness:
        """The runtime's optimizers that could be at fault; where asking would kill the process, all of them."""
        dies = self.ground.outcome.verdict in (HANG, PROCESS_CRASH)
        names = all_optimizers() if dies else acting_optimizers(self.ground.model)
        return Witness("", SOUND if names else SILENT, "", names)

    def _seen(self) -> Intermediates:
        if self._intermediates is None:
            self._intermediates = Intermediates(self.ground)
        return self._intermediates

    def _diverging(self) -> Witness:
        seen = self._seen()
        found = first_diverging(self.ground, seen)
        if found is None:
            return Witness("", SOUND, "with every value an output, none differs")
        node, mismatch = found
        return Witness("", ALIKE, f"{seen.described(node)}: {mismatch.detail}", (node.name,))

    def _elsewhere(self, name: str) -> Witness:
        """SOUND where another of the framework's converters makes a right model of the node alone."""
        case = self.ground.alone(self.ground.nodes[name])
        return self._right_by_one(True, lambda other: is_sound(self.ground.judged(case, other)))

    def _abroad(self, name: str) -> Witness:
        """The same of other frameworks' converters."""
        case = self.ground.alone(self.ground.nodes[name])

        def is_right(other: Route) -> bool:
            try:
                return self.ground.held_elsewhere(case, other) is None
            except Exception:  # noqa: BLE001 - another framework need not have the node, nor its converter
                return False

        return self._right_by_one(False, is_right)

    def _right_by_one(self, same: bool, is_right: Callable[[Route], bool]) -> Witness:
        own = self.ground.route
        others = (load_route(name) for name in default_routes() if name != own.name)
        for other in others:
            if (other.framework == own.framework) == same and other.convert is not own.convert and is_right(other):
                return Witness("", SOUND, f"{other.name} makes a right model of it")
        return Witness("", SILENT, "none makes a right model of it")

    def _repaired(self, kind: str, name: str) -> Witness:
        patient = Patient(self.ground, self.ground.nodes[name], self._seen)
        mended = mended_by(patient, kind)
        return Witness("", SOUND, mended) if mended else Witness("", ALIKE, "nothing of the kind mends it")


def _told(error: BaseException) -> str:
    root = root_cause(error)
    return " ".join(f"{class_name(root)}: {root}".split())[:300]
