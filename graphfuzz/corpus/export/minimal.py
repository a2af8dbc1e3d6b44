"""A reproduction in as few lines as it takes, for people to read: it shows the finding by what it prints or raises."""

from __future__ import annotations

import re
import textwrap

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.export.onnx_text import parseable
from graphfuzz.corpus.export.source import (
    Parts,
    arguments,
    assignments,
    export_options,
    import_block,
    table,
    torch_text,
    torchscript_call,
    weights_text,
)
from graphfuzz.corpus.export.wording import optimizer, value_text
from graphfuzz.oracle.twins import TWINS
from graphfuzz.oracle.verdict import CONVERSION_CRASH, INVALID_MODEL, LOAD_FAILURE, RUN_FAILURE, WRONG_OUTPUT, Mismatch
from graphfuzz.spec.dtypes import is_complex

IMPORTS = (
    "import base64",
    "import io",
    "import os",
    "import zlib",
    "import numpy as np",
    "import onnx",
    "import onnxruntime",
    "import tensorflow as tf",
    "import tf2onnx",
    "import torch",
)

_ALWAYS = (CONVERSION_CRASH, INVALID_MODEL, LOAD_FAILURE, RUN_FAILURE, WRONG_OUTPUT)
_FUNCTION = "def build(weights):\n"


def minimal(entry: Entry, found: Parts, for_runtime: bool) -> str:
    """The code, or the entry's whole script where that says it best.

    for_runtime: without the converter, from the ONNX model's text, where that is exact.
    """
    model = parseable(entry.onnx) if for_runtime else ""
    if model:
        return _code(_runtime(entry, found, model), found)
    written = {"torch-dynamo-ort": _dynamo, "torch-script-ort": _torchscript, "tf2onnx-ort": _tf2onnx}
    make = written.get(entry.finding.route)
    if make is None or not _is_sayable(entry):
        return entry.repro
    return _code(make(entry, found), found)


def _is_sayable(entry: Entry) -> bool:
    """Whether the short forms cover it: plain dtypes, and no shape that is only declared."""
    values = entry.case.graph.values().values()
    mismatch = entry.finding.mismatch
    odd = any(is_complex(v.dtype) or v.dtype == "bfloat16" for v in values)
    return not odd and not (mismatch is not None and mismatch.what == "declared")


def _code(text: str, found: Parts) -> str:
    return f"{import_block(text, *IMPORTS, *found.imports)}\n\n{text}"


def _dynamo(entry: Entry, found: Parts) -> str:
    names = list(found.inputs)
    export = f"program = torch.onnx.export(model, {arguments(names)}, dynamo=True{export_options(found)})"
    lines = [export, *_other_inputs(found)]
    lines += _shown(entry, f"model{_call(names)}", f"program{_call(names)}", "program.model_proto")
    return _torch_model(found) + "\n".join(lines) + "\n"


def _torchscript(entry: Entry, found: Parts) -> str:
    names = list(found.inputs)
    lines = ["buffer = io.BytesIO()", torchscript_call(entry, found), *_other_inputs(found)]
    session = 'onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])'
    feeds = "{" + ", ".join(f'"{name}": {name}.numpy()' for name in names) + "}"
    proto = "onnx.load_from_string(buffer.getvalue())"
    lines += _shown(entry, f"model{_call(names)}", f"session.run(None, {feeds})", proto, session)
    return _torch_model(found) + "\n".join(lines) + "\n"


def _torch_model(found: Parts) -> str:
    weights = weights_text(found.weights)
    built = f"model = Model({'weights' if weights else ''}){'.eval()' if weights else ''}"
    return f"\n{found.model}\n\n{weights}{assignments(found.inputs, torch_text)}{built}\n"


def _other_inputs(found: Parts) -> list[str]:
    """The inputs of other sizes that an exported model is run on, where it is."""
    if found.given is found.inputs:
        return []
    return ["", "# other sizes", *assignments(found.given, torch_text).splitlines()]


def _tf2onnx(entry: Entry, found: Parts) -> str:
    names = list(found.inputs)
    helpers, _, body = found.model.partition(_FUNCTION)
    model = re.sub(r"^return ", "model = ", textwrap.dedent(body), flags=re.MULTILINE)
    specs = []
    for name, array in found.inputs.items():
        symbols = found.axes.get(name, (None,) * array.ndim)
        shape = tuple(None if s else size for size, s in zip(array.shape, symbols, strict=True))
        specs.append(f'tf.TensorSpec({shape}, "{array.dtype}", "{name}")')
    convert = f"function = tf.function(lambda {', '.join(names)}: model([{', '.join(names)}]))\n"
    convert += f"signature = {_list(specs)}\nproto, _ = tf2onnx.convert.from_function(function, signature, opset=18)\n"
    session = 'onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])'
    shown = _shown(entry, "model(list(feeds.values()))", "session.run(None, feeds)", "proto", session, eager=True)
    data = table("feeds", found.given) if any("feeds" in line for line in shown) else ""
    kernels = (
        "" if "channels_first" not in model else 'os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # for such kernels\n\n'
    )
    start = f"{kernels}{helpers}\n" if helpers.strip() else kernels
    used = "\n".join(shown)
    return f"{start}{weights_text(found.weights)}{model}{convert}\n{data}{used}".rstrip() + "\n"


def _list(items: list[str]) -> str:
    """A list, one item a line where they would make a long one."""
    line = f"[{', '.join(items)}]"
    return line if len(line) <= 90 else "[\n" + "".join(f"    {item},\n" for item in items) + "]"


def _call(names: list[str]) -> str:
    return f"({', '.join(names)})"


def _shown(
    entry: Entry, expected: str, actual: str, proto: str, session: str = "", *, eager: bool = False
) -> list[str]:
    """The lines in which the finding shows.

    expected, actual: what the source model, and a session on the converted model, give: expressions. proto: the
    converted model. session: what makes the session, unless the run itself does. eager: whether the source model gives
    TensorFlow's tensors.
    """
    finding, mismatch = entry.finding, entry.finding.mismatch
    opened = [f"session = {session}"] if session else []
    if finding.verdict == CONVERSION_CRASH or (finding.verdict not in _ALWAYS and finding.stage == "conversion"):
        return []
    if finding.error == "WrongInputs":
        return [f"print([value.name for value in {proto}.graph.input])"]
    if finding.verdict == INVALID_MODEL or finding.stage == "check":
        return [f"onnx.checker.check_model({proto}, full_check=True)"]
    if finding.stage == "load":
        return opened or [f"onnxruntime.InferenceSession({proto}.SerializeToString())"]
    if mismatch is None:
        return [*opened, actual]
    outputs = entry.case.graph.outputs
    at = outputs.index(mismatch.output) if mismatch.output in outputs else 0
    lines = [*opened, f"actual = {actual}[{at}]"]
    if mismatch.what == TWINS:
        ((one, _),) = [pair for pair in entry.case.twins if pair[1] == mismatch.output]
        right = f"{actual}[{outputs.index(one)}]"
    elif len(outputs) > 1:
        right = f"{expected}[{at}]" + (".numpy()" if eager else "")
    else:
        right = f"{expected}.numpy()" if eager else expected
    return [*lines, f"expected = {right}", *_printed(entry, mismatch)]


def _printed(entry: Entry, mismatch: Mismatch) -> list[str]:
    if mismatch.expected is None:
        what = "dtype" if mismatch.what == "dtype" else "shape"
        return [f'print("expected:", expected.{what})', f'print("actual:  ", actual.{what})']
    at = _at(mismatch)
    return [
        f'print("expected:", expected{at}.item())  # {value_text(entry, mismatch.expected)}',
        f'print("actual:  ", actual{at}.item())  # {value_text(entry, mismatch.actual)}',
    ]


def _at(mismatch: Mismatch) -> str:
    return f"[{', '.join(map(str, mismatch.index))}]" if mismatch.index else ""


def _runtime(entry: Entry, found: Parts, text: str) -> str:
    """From the model's own text; twice, where an optimizer makes results wrong: without it, and with it."""
    import onnx

    finding = entry.finding
    graph = onnx.load_from_string(entry.onnx).graph
    initialized = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: found.given[value.name] for value in graph.input if value.name not in initialized}
    model = f'model = onnx.parser.parse_model("""\n{text.strip()}\n""")\n'
    data = "" if finding.stage == "load" else table("feeds", inputs)
    made = 'model.SerializeToString(), providers=["CPUExecutionProvider"]'
    load = f"session = onnxruntime.InferenceSession(\n    {made}{{}}\n)\n"
    if finding.mismatch is None:
        run = "" if finding.stage == "load" else "session.run(None, feeds)\n"
        other = f'# compare: disabled_optimizers=["{optimizer(entry)}"]\n' if optimizer(entry) else ""
        return f"{model}\n{data}{other}{load.format('')}{run}"
    outputs, mismatch = entry.case.graph.outputs, finding.mismatch
    place = outputs.index(mismatch.output) if mismatch.output in outputs else 0
    shown = {"dtype": "actual.dtype", "shape": "actual.shape"}.get(mismatch.what, f"actual{_at(mismatch)}.item()")
    run = f"actual = session.run(None, feeds)[{place}]\n"
    wrong = "" if mismatch.actual is None else f"  # {value_text(entry, mismatch.actual)}"
    right = "" if mismatch.expected is None else f"  # right is {value_text(entry, mismatch.expected)}"
    if not optimizer(entry):
        return f'{model}\n{data}{load.format("")}{run}print("actual:  ", {shown}){wrong}{right}\n'
    body = load.format(", disabled_optimizers=disabled") + run + f"print(disabled, {shown}){wrong and right}\n"
    return f'{model}\n{data}for disabled in ["{optimizer(entry)}"], []:\n{textwrap.indent(body, "    ")}'
