"""Witnesses, and what their words together say of the stage at fault: pure functions, told by tables in the tests.

Each witness runs the case once more with one thing taken away, and says whether the fault is still there. None is
believed alone where another can contradict it: ONNX's reference evaluator, for one, is wrong on some 2% of models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from graphfuzz.oracle.verdict import INVALID_MODEL, Outcome

SOUND = "sound"
"""Without what the witness takes away there is no fault, or not this one: the case gets beyond it."""
ALIKE = "alike"
"""The fault is there all the same."""
OTHERWISE = "otherwise"
"""Another fault is there: no later than the one in question; of a wrong model, later ones too, for what one stage lets
pass another may refuse."""
SILENT = "silent"
"""The witness cannot say: it has no such thing, cannot run here, or time ended."""

CAPTURE = "capture"
NODE_CONVERSION = "node conversion"
CONVERTER_OPTIMIZATION = "converter optimization"
MODEL_VALIDITY = "model validity"
RUNTIME_LOAD = "runtime load"
RUNTIME_OPTIMIZATION = "runtime optimization"
RUNTIME_KERNEL = "runtime kernel"

STAGES = (
    CAPTURE,
    NODE_CONVERSION,
    CONVERTER_OPTIMIZATION,
    MODEL_VALIDITY,
    RUNTIME_LOAD,
    RUNTIME_OPTIMIZATION,
    RUNTIME_KERNEL,
)
"""Where a fault can be, in the order in which a model goes through them."""

AGAIN = "again"
NUMPY = "operators' references"
REFERENCE = "reference evaluator"
RULES = "operators' rules on the values at hand"
REFERENCE_AND_RUNTIME = "reference evaluator against runtime"
STRUCTURE = "check of the model's structure"
RUNTIME = "runtime, unchecked model"
PLAIN_RUNTIME = "runtime without optimizations"
ACTED = "runtime optimizers that acted"
INTERMEDIATES = "intermediate values"


def program(name: str) -> str:
    """The witness that runs a program that the converter starts from."""
    return f"program {name}"


def without(name: str) -> str:
    """The witness that converts without one of the converter's own optimizations."""
    return f"conversion without {name}"


def level(name: str) -> str:
    """The witness that runs the model with the runtime's optimizations up to a level."""
    return f"runtime at level {name}"


def optimizer(name: str) -> str:
    """The witness that runs the model without one of the runtime's optimizers."""
    return f"runtime without {name}"


def alone(node: str) -> str:
    """The witness that runs one node on the operands that the source model recorded."""
    return f"{node} alone"


def up_to(node: str) -> str:
    """The witness that runs what one node's outputs need."""
    return f"graph up to {node}"


def rest(node: str) -> str:
    """The witness that runs the graph without one node, whose outputs the source model recorded."""
    return f"graph without {node}"


def elsewhere(node: str) -> str:
    """The witness that has the framework's other converters convert one node alone."""
    return f"{node} by another converter"


def abroad(node: str) -> str:
    """The witness that has other frameworks' converters convert one node alone."""
    return f"{node} by another framework's converter"


def repair(kind: str, node: str) -> str:
    """The witness that puts something of the source model's in the converted model's place."""
    return f"repair of {node} by {kind}"


class Witness(msgspec.Struct, frozen=True):
    """What one witness said.

    name: what it is. said: SOUND, ALIKE, OTHERWISE or SILENT. detail: in words. about: what it names, if anything:
    a node of the source graph; optimizers, in order; the verdict on another fault that the case gets further to; the
    operator at which the reference evaluator fails.
    """

    name: str
    said: str
    detail: str = ""
    about: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """Which stage is at fault, and which optimizer, where it is one. contradiction: in words, or empty."""

    stage: str
    optimizer: str = ""
    contradiction: str = ""


def decide(
    outcome: Outcome, heard: Sequence[Witness], programs: Iterable[str], parts: Iterable[str], mended: bool = True
) -> Decision:
    """The stage at fault of a finding, from what was heard.

    programs, parts: the names of the programs that the converter starts from, and of its own optimizations. mended:
    whether a repair mends the model, or may yet.
    """
    said = {witness.name: witness.said for witness in heard}
    doubts = list(_doubts(outcome, said, parts))
    raised = outcome.mismatch is None
    for name in programs:
        told = said.get(program(name))
        if told == ALIKE or (told == OTHERWISE and raised and outcome.stage in ("conversion", "run")):
            doubts += [f"{name} fails in another way than the {outcome.stage}"] if told == OTHERWISE else []
            return Decision(CAPTURE, "", "; ".join(doubts))
    stage, blamed, doubt = _later_stage(outcome, said, list(parts), heard)
    if stage == NODE_CONVERSION and outcome.stage == "run" and not mended and _keeps_to_rules(heard):
        stage, doubt = (
            RUNTIME_KERNEL,
            "undecided: the reference evaluator fails, too, where no operator's rule is broken",
        )
    return Decision(stage, blamed, "; ".join([*doubts, *([doubt] if doubt else [])]))


def mending_part(said: Mapping[str, str], parts: Iterable[str]) -> str:
    """The most exact of the converter's optimizations without which there is no fault; empty where there is none."""
    sound = [name for name in parts if said.get(without(name)) == SOUND]
    return max(sound, key=lambda name: (name.count("/"), -sound.index(name)), default="")


def _later_stage(
    outcome: Outcome, said: Mapping[str, str], parts: Sequence[str], heard: Sequence[Witness]
) -> tuple[str, str, str]:
    """The stage after the capture, the optimizer, and what remains doubtful."""
    part = mending_part(said, parts)
    if outcome.stage in ("conversion", "check"):
        if part:
            return CONVERTER_OPTIMIZATION, part, ""
        computes_otherwise = said.get(STRUCTURE) == SOUND and said.get(RUNTIME) != SOUND
        converted = outcome.stage == "conversion" or computes_otherwise
        return (NODE_CONVERSION if converted else MODEL_VALIDITY), "", ""
    plain, reference = said.get(PLAIN_RUNTIME, SILENT), said.get(REFERENCE, SILENT)
    if reference == SOUND and said.get(RULES) == ALIKE:
        reference = ALIKE
    if plain == SOUND:
        mending = (name for name in _acted(heard) if said.get(optimizer(name)) == SOUND)
        return RUNTIME_OPTIMIZATION, next(mending, ""), ""
    if reference == SOUND:
        return (RUNTIME_LOAD if outcome.stage == "load" else RUNTIME_KERNEL), "", ""
    if part:
        return CONVERTER_OPTIMIZATION, part, ""
    if reference == SILENT:
        if outcome.stage == "load":
            return RUNTIME_LOAD, "", "undecided: no other runtime tells whether the model or the runtime is at fault"
        return NODE_CONVERSION, "", "undecided: no other runtime tells whether the model or a kernel is at fault"
    return NODE_CONVERSION, "", ""


def _keeps_to_rules(heard: Sequence[Witness]) -> bool:
    """Whether the reference evaluator fails at a node that breaks no operator's rule, and none before it does."""
    return any(witness.name == RULES and witness.said == SOUND and witness.about for witness in heard)


def _acted(heard: Sequence[Witness]) -> tuple[str, ...]:
    return next((witness.about for witness in heard if witness.name == ACTED), ())


def _doubts(outcome: Outcome, said: Mapping[str, str], parts: Iterable[str]) -> Iterable[str]:
    """Where witnesses contradict each other, or the finding."""
    if said.get(AGAIN) == SOUND:
        yield "the finding did not show when it was run again"
    if said.get(NUMPY) == SOUND:
        yield "the converted model agrees with the operators' references, and the source model does not"
    if outcome.verdict == INVALID_MODEL and said.get(RUNTIME) == SOUND:
        yield "the checker refuses a model that the runtime runs as the source model does"
    if said.get(PLAIN_RUNTIME) == SOUND and said.get(REFERENCE) in (ALIKE, OTHERWISE):
        yield "the reference evaluator does not agree, though the runtime does without its optimizations"
    if said.get(REFERENCE_AND_RUNTIME) == ALIKE and said.get(REFERENCE) == ALIKE and said.get(PLAIN_RUNTIME) == ALIKE:
        yield "the reference evaluator and the runtime differ from the source model, and from each other"
    if said.get(REFERENCE) == SOUND and said.get(PLAIN_RUNTIME) == ALIKE and mending_part(said, parts):
        yield "without an optimization of the converter there is no fault, though the optimized model is right"
