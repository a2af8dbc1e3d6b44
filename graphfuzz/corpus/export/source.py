"""The parts of exported code: a model's source as short as it can be, its data, and how near results must be."""

from __future__ import annotations

import base64
import math
import re
import sys
import textwrap
import zlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.literals import literal
from graphfuzz.errors import InvalidGraph, UsageError
from graphfuzz.graph import Array, Axes, bound_cases, ordinary_values, symbolic_axes, validate
from graphfuzz.materializer import source
from graphfuzz.materializer.walk import Step, steps
from graphfuzz.oracle.tolerance import parse_tolerance
from graphfuzz.oracle.twins import TWINS
from graphfuzz.oracle.verdict import CONVERSION_CRASH, INVALID_MODEL, LOAD_FAILURE
from graphfuzz.spec.dtypes import is_complex, is_float
from graphfuzz.spec.registry import Registry

SMALL = 32
"""The most elements of an array whose values are kept though they do not matter."""
INLINE = 512
"""The most elements that are written out; more are written compressed."""
EXPRESSION = 80
"""The longest expression that stands in a title."""

_NO_WEIGHTS = "    def __init__(self, weights):\n        super().__init__()\n\n"
_RETURNED = re.compile(r"        (\w+) = (.+)\n        return \1\n\Z")
_NUMPY = re.compile(r'np\.(array|zeros|ones|empty)\((.*), "(\w+)"\)\Z', re.DOTALL)


class Parts(NamedTuple):
    """What an export is put together from.

    imports: the lines that the model's source begins with. model: its source. expression: the computation at fault, in
    the framework's words. inputs: what the model is converted for. given: what it is run on. axes: which are dynamic.
    """

    imports: tuple[str, ...]
    model: str
    expression: str
    inputs: dict[str, Array]
    given: dict[str, Array]
    weights: dict[str, Array]
    axes: Axes


def parts(entry: Entry, registry: Registry) -> Parts:
    """The parts of an entry. Raises UsageError where its operators are not at hand, or have changed."""
    case = entry.case
    try:
        validate(case.graph, registry, case.framework)
        axes = symbolic_axes([bound.graph for bound in bound_cases(case, registry)])
    except InvalidGraph as error:
        raise UsageError(f"{entry.slug}: cannot be written as source: {error}") from None
    header, model = source(case.graph, registry, case.framework, axes).split("\n\n\n", 1)
    binding = entry.finding.binding
    inputs = case.inputs() if binding else _simple_inputs(entry, registry)
    given = case.bindings[binding - 1] if binding else inputs
    return Parts(
        tuple(header.splitlines()), _short(model), _expression(entry, registry), inputs, given, case.weights(), axes
    )


def _short(model: str) -> str:
    """The source of a model without what only some models need."""
    return _RETURNED.sub(r"        return \2\n", model.replace(_NO_WEIGHTS, ""))


def _expression(entry: Entry, registry: Registry) -> str:
    """The computation at fault as its framework writes it; where that is long, the graph's operators."""
    graph = entry.case.graph
    walked = steps(graph, registry, entry.case.framework, weight_text=str, layer_text=lambda node: "layer")
    at = next((i for i, step in enumerate(walked) if step.node.name == entry.finding.first_diverging), len(walked) - 1)
    call = _written(walked[at])
    for step in reversed(walked[:at]):
        inner = _written(step).replace("\\", r"\\")
        call = re.sub(rf"\b{step.targets}\b", inner, call)
    return call if len(call) <= EXPRESSION and "\n" not in call else ", ".join(dict.fromkeys(graph.operators()))


def _written(step: Step) -> str:
    return step.call if step.layer is None else re.sub(r"\blayer\b", lambda _: str(step.layer), step.call)


def _simple_inputs(entry: Entry, registry: Registry) -> dict[str, Array]:
    """The inputs; zeros or ones in their place where values do not matter and some array is large."""
    case, mismatch = entry.case, entry.finding.mismatch
    typed = mismatch is not None and mismatch.what in ("count", "dtype", "shape", "declared")
    early = entry.finding.verdict in (CONVERSION_CRASH, INVALID_MODEL, LOAD_FAILURE)
    if not (typed or early) or all(array.size <= SMALL for array in case.inputs().values()):
        return case.inputs()
    for fill in (np.zeros_like, np.ones_like):
        simple = {name: np.asarray(fill(array)) for name, array in case.inputs().items()}
        leaves = {**case.weights(), **simple}
        if ordinary_values(case.graph, leaves, registry, case.framework) is not None:
            return simple
    return case.inputs()


def import_block(code: str, *lines: str) -> str:
    """Those of these import lines of which the code uses a name: Python's own, then others, each sorted."""
    found = []
    for line in lines:
        start, _, names = line.partition(" import ") if line.startswith("from") else ("import", "", line[7:])
        following = r"\.\w" if start == "import" else r"\b"
        kept = [name for name in names.split(", ") if _is_used(name.rpartition(" as ")[2], following, code)]
        if kept:
            found.append(f"{start} {'import ' if start != 'import' else ''}{', '.join(kept)}")
    if '"bfloat16"' in code:
        found.append("import ml_dtypes  # gives NumPy the dtype bfloat16")
    ordered = sorted(dict.fromkeys(found), key=lambda line: (line.startswith("from"), line.split()[1].lower()))
    own = [line for line in ordered if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    others = [line for line in ordered if line not in own]
    return "\n\n".join("\n".join(group) for group in (own, others) if group)


def _is_used(name: str, following: str, code: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}{following}", code) is not None


def numpy_text(array: Array) -> str:
    """An expression over `np` for the array, compressed where it is long."""
    if array.size <= INLINE or literal(array).count("\n") == 0:
        return literal(array)
    packed = base64.b85encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()
    rows = "\n".join(f"    {packed[i : i + 100]!r}" for i in range(0, len(packed), 100))
    return (
        f'np.frombuffer(zlib.decompress(base64.b85decode(\n{rows}\n)), "{array.dtype}").reshape({array.shape}).copy()'
    )


def torch_text(array: Array) -> str:
    """An expression over `torch` for a tensor of the array's dtype and values.

    PyTorch rounds a number to float32 on its way to half precision: there, numbers are written that both hold exactly.
    """
    half = str(array.dtype) in ("float16", "bfloat16")
    text = numpy_text(array.astype("float64") if half else array)
    match = _NUMPY.match(text)
    if not match or (str(array.dtype).startswith("uint") and str(array.dtype) != "uint8"):
        return f"torch.from_numpy({text})" + (f".to(torch.{array.dtype})" if half else "")
    maker = "tensor" if match[1] == "array" else match[1]
    values = re.sub(r"np\.(nan|inf)", r"torch.\1", match[2])
    return f"torch.{maker}({values}, dtype=torch.{array.dtype})"


def assignments(arrays: dict[str, Array], text: Callable[[Array], str]) -> str:
    """A line, or several, for each array."""
    return "".join(f"{name} = {text(array)}\n" for name, array in arrays.items())


def weights_text(weights: dict[str, Array]) -> str:
    """The table of the weights; empty where there are none."""
    return table("weights", weights) if weights else ""


def table(name: str, arrays: dict[str, Array]) -> str:
    """A dictionary of the arrays by name."""
    rows = "".join(f'"{key}": {numpy_text(array)},\n' for key, array in arrays.items())
    return f"{name} = {{\n{textwrap.indent(rows, '    ')}}}\n"


def arguments(names: Iterable[str]) -> str:
    """A tuple of names."""
    listed = list(names)
    return f"({', '.join(listed)}{',' if len(listed) == 1 else ''})"


def rates(entry: Entry) -> tuple[float, float]:
    """(rtol, atol) by which the recorded difference is one and what rounding explains is none.

    They are of the rule in force, for the dtype that was compared; atol is what was allowed the worst element, where
    that is more. Where both together would allow the recorded difference, rtol is 0.
    """
    mismatch = entry.finding.mismatch
    dtypes = entry.case.graph.values()
    name = mismatch.output if mismatch else entry.case.graph.outputs[0]
    dtype = dtypes[name].dtype
    if not (is_float(dtype) or is_complex(dtype)):
        return 0.0, 0.0
    rule = parse_tolerance(entry.finding.tolerance)
    atol = float(rule.plain(dtype, np.asarray(0.0)))
    rtol = 0.0 if rule.ulp is not None else float(rule.plain(dtype, np.asarray(1.0))) - atol
    rtol = float(f"{rtol:.6g}")
    if mismatch is None or mismatch.expected is None or mismatch.actual is None or mismatch.what == TWINS:
        return rtol, atol
    if mismatch.allowed is not None and math.isfinite(mismatch.allowed):
        atol = max(atol, mismatch.allowed)
    apart = abs(mismatch.expected - mismatch.actual)
    return (rtol, atol) if not apart <= atol + rtol * abs(mismatch.expected) else (0.0, atol)


def test_name(entry: Entry) -> str:
    """The part of the slug that names operators, as a Python name."""
    return re.sub(r"\W+", "_", "_".join(dict.fromkeys(entry.case.graph.operators())))[:60]


def file_name(entry: Entry) -> str:
    """The slug as a module's name."""
    return entry.slug.replace("-", "_")


def torchscript_call(entry: Entry, found: Parts) -> str:
    """The call of the TorchScript exporter into `buffer`."""
    names = list(found.inputs)
    options = f"dynamo=False, input_names={names!r}"
    if found.axes:
        axes = {name: {i: s for i, s in enumerate(symbols) if s} for name, symbols in found.axes.items()}
        options += f", output_names={list(entry.case.graph.outputs)!r}, dynamic_axes={axes!r}"
    return f"torch.onnx.export(model, {arguments(names)}, buffer, {options})".replace("'", '"')


def export_options(found: Parts) -> str:
    """The options of the default exporter: the inputs' names, and their dynamic axes, if any."""
    options = f", input_names={list(found.inputs)!r}"
    if found.axes:
        shapes = ({i: symbol for i, symbol in enumerate(found.axes[name]) if symbol} for name in found.inputs)
        options += f", dynamic_shapes={arguments(map(repr, shapes))}"
    return options.replace("'", '"')
