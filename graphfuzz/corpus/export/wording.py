"""A finding in words: what fails, whose fault it is, how that is known, and what to search for."""

from __future__ import annotations

import math
import re
import textwrap

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.export.onnx_text import Contents
from graphfuzz.corpus.telling import telling_words
from graphfuzz.oracle.attribution import ALIKE, SOUND, Attribution, Witness
from graphfuzz.oracle.attribution import evidence as stages
from graphfuzz.oracle.attribution.repair import KERNEL, OPTIMIZATION_OFF
from graphfuzz.oracle.route import converter_of
from graphfuzz.oracle.twins import TWINS
from graphfuzz.oracle.verdict import (
    CONVERSION_CRASH,
    HANG,
    INVALID_MODEL,
    LOAD_FAILURE,
    OF_MODELS,
    PROCESS_CRASH,
    RUN_FAILURE,
    WRONG_OUTPUT,
    Mismatch,
)
from graphfuzz.spec.dtypes import is_complex, is_float

FRAMEWORKS = {"torch": "PyTorch", "keras": "Keras"}

OF_RUNTIME = (stages.RUNTIME_LOAD, stages.RUNTIME_OPTIMIZATION, stages.RUNTIME_KERNEL)

_PREFIX = re.compile(
    r"(?:\[\w+\]\s*:?|Inference error\(s\):|\(op_type:\w+(?:, node name: [^)]*)?\):|\s|\d+ : [A-Z_]+ :)+"
)
"""What ONNX and ONNX Runtime put before the words that say what is wrong."""

_FRAME = re.compile(r'File "((?:torch|tf2onnx|onnxscript|onnxruntime|tensorflow|keras)/[^"]+)", line (\d+), in (\w+)')
LONGEST = 90


def converter(entry: Entry) -> str:
    """The converter's name, as users write it."""
    return converter_of(entry.finding.route)


def is_of_runtime(entry: Entry) -> bool:
    """Whether the runtime is at fault, as far as is known."""
    return entry.finding.attribution is not None and entry.finding.attribution.stage in OF_RUNTIME


def optimizer(entry: Entry) -> str:
    """The runtime's graph optimizer that is at fault, or empty."""
    known = entry.finding.attribution
    return known.optimizer if known is not None and known.stage == stages.RUNTIME_OPTIMIZATION else ""


def said(message: str) -> str:
    """The first sentence of an error's message that is about this error, shortened."""
    text = " ".join(message.split())
    operators = re.findall(r"op_type:(\w+)", text)
    text = text[match.end() :] if (match := _PREFIX.match(text)) else text
    text = re.sub(r"(\w+) typestr: \w+, has unsupported type: ", r"\1 has unsupported type ", text)
    text = f"{operators[-1]}: {text}" if operators else text
    text = re.sub(r"^Non-zero status code returned while running (\w+) node\..*?Status Message: ", r"\1: ", text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3].rstrip()}..."


def title(entry: Entry, expression: str) -> str:
    """One line: the computation, and what becomes of it."""
    finding, mismatch = entry.finding, entry.finding.mismatch
    of = f"`{expression}`{_of_dtypes(entry)}"
    at = " at other sizes than it was converted for" if finding.binding else ""
    if optimizer(entry):
        return f"{optimizer(entry)} {_OPTIMIZED.get(finding.verdict, 'breaks a valid model')}{at} ({_dtypes(entry)})"
    if mismatch is not None:
        where = "in ONNX Runtime" if is_of_runtime(entry) else f"after {converter(entry)}"
        return f"{of} {_WRONG.get(mismatch.what, f'has the wrong {mismatch.what}')} {where}{at}"
    wrong = {
        CONVERSION_CRASH: f"{converter(entry)} crashes",
        INVALID_MODEL: f"{converter(entry)} makes an invalid model",
        LOAD_FAILURE: "ONNX Runtime does not load the converted model",
        RUN_FAILURE: "ONNX Runtime fails to run the converted model",
        HANG: f"{converter(entry)} or ONNX Runtime does not end",
        PROCESS_CRASH: f"process killed by {finding.error}",
    }[finding.verdict]
    reason = "" if finding.verdict in (HANG, PROCESS_CRASH) else f": {said(finding.message)}"
    reason = f", which asks for {_strange(entry)}" if finding.error == "WrongInputs" else reason
    return f"{of}: {wrong}{at}{reason}"


_WRONG = {
    "value": "has wrong values",
    "special": "has wrong values (NaN or infinity)",
    TWINS: "disagrees with an equal form of itself",
    "declared": "is declared with a wrong shape",
}
"""What is wrong with an output, by the kind of mismatch."""

_OPTIMIZED = {
    WRONG_OUTPUT: "makes the results of a valid model wrong",
    LOAD_FAILURE: "makes a valid model fail to load",
    RUN_FAILURE: "makes a valid model fail to run",
    PROCESS_CRASH: "crashes on a valid model",
    HANG: "does not end on a valid model",
}
"""What an optimizer of the runtime does, by the verdict."""


def _of_dtypes(entry: Entry) -> str:
    return f" of {_dtypes(entry)}" if entry.case.graph.inputs else ""


def _dtypes(entry: Entry) -> str:
    return ", ".join(dict.fromkeys(v.dtype for v in entry.case.graph.inputs))


def subject(entry: Entry, expression: str) -> str:
    """A sentence that says what is converted and run."""
    computed = f"`{expression}`{_of_dtypes(entry)}"
    name, mismatch = _called(converter(entry)), entry.finding.mismatch
    if entry.finding.verdict == CONVERSION_CRASH:
        return f"{name} fails to convert {computed}."
    if is_of_runtime(entry):
        wrong = _OPTIMIZED.get(entry.finding.verdict, "breaks a valid model")
        start = (
            f"ONNX Runtime's graph optimizer {optimizer(entry)} {wrong}" if optimizer(entry) else "A valid model fails"
        )
        return f"{start}. The model is what {name} makes of {computed}."
    result = {INVALID_MODEL: "is invalid", LOAD_FAILURE: "does not load", RUN_FAILURE: "does not run"}
    wrong = result.get(entry.finding.verdict, "is wrong" if mismatch is not None else "cannot be used")
    return f"The ONNX model that {name} makes of {computed} {wrong}."


def is_logged(entry: Entry) -> bool:
    """Whether the converter itself only logs the error, and goes on; the routes make it one that is raised."""
    return entry.finding.verdict == CONVERSION_CRASH and 'File "logging/__init__.py"' in entry.finding.traceback


def observed(entry: Entry) -> str:
    """One or two sentences: what is seen, and what should be."""
    finding, mismatch = entry.finding, entry.finding.mismatch
    sizes = (
        " Converted with dynamic axes, it fails at other sizes than those of the example." if finding.binding else ""
    )
    if mismatch is not None:
        return _differs(entry, mismatch) + sizes
    words = {
        CONVERSION_CRASH: "The conversion raises",
        INVALID_MODEL: "`onnx.checker.check_model` raises",
        LOAD_FAILURE: "Loading it raises",
        RUN_FAILURE: "Running it raises",
        HANG: f"It has not ended after {finding.seconds_a_case:g} seconds",
        PROCESS_CRASH: "The process does not survive",
    }[finding.verdict]
    if is_logged(entry):
        name = finding.error.rpartition(".")[2]
        return f"One of its handlers raises `{name}`, which it logs, and goes on as if nothing had been.{sizes}"
    if finding.error == "WrongInputs":
        return f"The converted model asks for an input that the source model does not have: {_strange(entry)}.{sizes}"
    if finding.verdict in (HANG, PROCESS_CRASH):
        stage = {"load": "loading the model", "run": "running the model"}.get(finding.stage, finding.stage)
        return f"{words}; it happens in {stage}.{sizes}"
    return f"{words} `{finding.error.rpartition('.')[2]}`.{sizes}"


def _strange(entry: Entry) -> str:
    names = re.findall(r"'([^']+)'", entry.finding.message)
    return ", ".join(f"`{name}`" for name in names)


def _differs(entry: Entry, mismatch: Mismatch) -> str:
    framework = FRAMEWORKS[entry.case.framework]
    output = output_name(entry, mismatch.output)
    if mismatch.expected is None or mismatch.actual is None:
        detail = re.sub(rf"\b{mismatch.output}\b", output, mismatch.detail)
        return f"In the converted model, {detail}."
    twins = " (of the two, the form that should equal it)" if mismatch.what == TWINS else ""
    rounding = ""
    if mismatch.allowed and mismatch.what == "value":
        rounding = f"; rounding explains a difference of {mismatch.allowed:.2g} at most"
    wrong, right = (value_text(entry, value) for value in (mismatch.actual, mismatch.expected))
    base = baseline(entry)
    wide = "" if base is None else " (in float64, too)" if base == right else f" ({base} in float64)"
    count = f"{mismatch.differ} of {mismatch.total} elements" if mismatch.total > 1 else "The only element"
    are = "are" if mismatch.total > 1 else "is"
    worst = "The worst is" if mismatch.differ > 1 else "It is"
    return f"{count} of {output} {are} wrong. {worst} {wrong}, where {framework} gives {right}{wide}{twins}{rounding}."


def value_text(entry: Entry, value: float | None) -> str:
    """A recorded value of the wrong output as its dtype writes it."""
    mismatch = entry.finding.mismatch
    dtype = entry.case.graph.values()[mismatch.output].dtype if mismatch is not None else ""
    if value is None or not math.isfinite(value) or is_float(dtype) or is_complex(dtype):
        return repr(value)
    return str(bool(value)) if dtype == "bool" else str(int(value))


def baseline(entry: Entry) -> str | None:
    """What the source model gives in float64, where that says more than its own value."""
    mismatch = entry.finding.mismatch
    if mismatch is None or mismatch.float64 is None:
        return None
    dtype = entry.case.graph.values()[mismatch.output].dtype
    narrow = (is_float(dtype) or is_complex(dtype)) and dtype not in ("float64", "complex128")
    return repr(mismatch.float64) if narrow else None


def output_name(entry: Entry, name: str) -> str:
    """How an output is called in a sentence."""
    outputs = entry.case.graph.outputs
    return "the output" if len(outputs) == 1 or name not in outputs else f"output {outputs.index(name)}"


def blame(entry: Entry) -> list[str]:
    """Where the fault is and what proves it: at most a sentence each, and one where that is in doubt."""
    known = entry.finding.attribution
    if known is None or not known.stage:
        return []
    heard = {witness.name: witness for witness in known.evidence}
    sentences = [_place(entry, known, heard), _proof(known, heard)]
    if known.contradiction:
        sentences.append(f"Not settled: {known.contradiction}.")
    return [sentence for sentence in sentences if sentence]


def _place(entry: Entry, known: Attribution, heard: dict[str, Witness]) -> str:
    what = converter(entry)
    programs = [name.removeprefix(stages.program("")) for name in heard if name.startswith(stages.program(""))]
    right = [name for name in programs if heard[stages.program(name)].said == SOUND]
    if known.stage == stages.CAPTURE:
        return f"The program that `{programs[0]}` captures is wrong already, before any operator is converted."
    if known.stage == stages.CONVERTER_OPTIMIZATION:
        return f"{_called(what)} converts each operator correctly; one of its optimizations then breaks the model."
    if known.stage == stages.RUNTIME_OPTIMIZATION:
        agrees = stages.REFERENCE in heard and heard[stages.REFERENCE].said == SOUND
        reference = ": ONNX's reference evaluator computes what it should" if agrees else ""
        broken = "" if known.optimizer else " One of ONNX Runtime's graph optimizations breaks it."
        return f"The model is right{reference}.{broken}"
    if known.stage in (stages.RUNTIME_LOAD, stages.RUNTIME_KERNEL):
        return "The model is right: ONNX's reference evaluator computes what it should."
    captured = f"The program that `{right[0]}` captures is still right" if right else ""
    agree = all(name in heard and heard[name].said == ALIKE for name in (stages.REFERENCE, stages.PLAIN_RUNTIME))
    if entry.finding.verdict in OF_MODELS and agree:
        runs = (
            "ONNX's reference evaluator computes the same as ONNX Runtime, where switching off the graph optimizations "
            "changes nothing"
        )
        return f"{captured}, and {runs}: the translation to ONNX is wrong." if captured else f"{runs}."
    refused = ""
    if (
        stages.RUNTIME in heard
        and heard[stages.RUNTIME].said != SOUND
        and "ONNXRuntimeError" in heard[stages.RUNTIME].detail
    ):
        refused = " ONNX Runtime refuses the model, too."
    return f"{captured}, so the mistake is in the translation to ONNX.{refused}" if captured else refused.strip()


def _proof(known: Attribution, heard: dict[str, Witness]) -> str:
    if not known.proof:
        return ""
    if known.proof == OPTIMIZATION_OFF:
        return _without(known, heard)
    if known.proof == KERNEL:
        return ""
    repair = heard.get(stages.repair(known.proof, known.node))
    if repair is not None and repair.said == SOUND:
        return f"Changed by hand in one place of the ONNX model ({repair.detail}), it is right."
    for name in (stages.elsewhere(known.node), stages.abroad(known.node)):
        if name in heard and heard[name].said == SOUND:
            route = heard[name].detail.split()[0]
            return f"{_called(converter_of(route))} converts the same computation correctly."
    return "The rest of the graph, without this computation, is converted correctly."


def _called(name: str) -> str:
    return f"`{name}`" if "(" in name else name


def _without(known: Attribution, heard: dict[str, Witness]) -> str:
    if known.stage == stages.RUNTIME_OPTIMIZATION:
        witness = heard.get(stages.optimizer(known.optimizer)) if known.optimizer else heard.get(stages.PLAIN_RUNTIME)
        off = "this optimizer" if known.optimizer else "all graph optimizations"
        result = "the result is right"
        if witness is not None and "NOT_IMPLEMENTED" in witness.detail:
            result = "ONNX Runtime says cleanly that it has no kernel for an operator of the model (`NOT_IMPLEMENTED`)"
        return f"With {off} disabled, {result}."
    option = {"optimize": "`optimize=False`", "do_constant_folding": "`do_constant_folding=False`"}
    return f"With {option.get(known.optimizer, f'the optimization {known.optimizer} off')}, the model is right."


def culprit(entry: Entry, contents: Contents) -> str:
    """What to look at first, as a noun; empty where nothing is known. contents: of the converted model."""
    known, finding = entry.finding.attribution, entry.finding
    if optimizer(entry):
        return f"ONNX Runtime's graph optimizer `{optimizer(entry)}`"
    if known is not None and known.stage == stages.RUNTIME_KERNEL and contents.operators:
        return f"ONNX Runtime's CPU kernel of {_listed(contents.operators)}"
    frames = _FRAME.findall(finding.traceback)
    if finding.verdict == CONVERSION_CRASH and frames:
        file, line, function = frames[-1]
        return f"`{function}` in `{file}`, line {line}"
    if known is not None and known.stage == stages.CONVERTER_OPTIMIZATION:
        return f"the optimization `{known.optimizer}` of {converter(entry)}"
    if contents.translated:
        return f"the translation of {_listed(contents.translated)} (to {_listed(contents.operators)})"
    return f"the handler that emits {_listed(contents.operators)}" if contents.operators else ""


def _listed(names: tuple[str, ...], most: int = 4) -> str:
    return ", ".join(f"`{name}`" for name in names[:most]) + (", ..." if names[most:] else "")


def search_words(entry: Entry, contents: Contents, expression: str) -> str:
    """What to type into an issue tracker's search."""
    finding = entry.finding
    dtypes = dict.fromkeys(v.dtype for v in entry.case.graph.inputs if v.dtype not in ("float32", "bool"))
    if optimizer(entry):
        return optimizer(entry)
    words = telling_words(finding.message)
    if finding.verdict == CONVERSION_CRASH and len(words.split()) > 2:
        return f'"{words}"'
    translated = [name.removeprefix("aten.").split(".")[0] for name in contents.translated]
    names = re.findall(r"\w\.(\w+)\(", expression)[:1] or translated[:2] or list(contents.operators[:2])
    return " ".join(["onnx", *dict.fromkeys(names), *list(dtypes)[:1]])


def docstring(entry: Entry, expression: str) -> str:
    """The docstring of a test: what is wrong, and why."""
    versions = ", ".join(f"{name} {version}" for name, version in _of_targets(entry).items())
    paragraphs = [
        f"{subject(entry, expression)} {observed(entry)}",
        " ".join(blame(entry)),
        f"Fails with {versions}.",
        *_warning(entry),
    ]
    body = "\n\n".join(textwrap.fill(p, 110, break_long_words=False) for p in paragraphs if p)
    text = f"{textwrap.fill(title(entry, expression), 110)}\n\n{body}"
    return '"""' + text.replace("\\", "\\\\").replace('"""', "'''") + '\n"""\n'


def _of_targets(entry: Entry) -> dict[str, str]:
    return {name: version for name, version in entry.finding.versions.items() if name not in ("graphfuzz", "numpy")}


def _warning(entry: Entry) -> list[str]:
    return {
        HANG: ["The test does not end while the defect is there."],
        PROCESS_CRASH: ["The test takes its process down while the defect is there."],
    }.get(entry.finding.verdict, [])
