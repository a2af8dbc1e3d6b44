"""Faults that several converters have alike: they are faults of the ONNX nodes that each of them hands out."""

from __future__ import annotations

from benchmarks.faults import surgery as s
from benchmarks.faults.fault import Fault, Surgery
from benchmarks.faults.places import DYNAMO, SCRIPT, TF2ONNX, converted, invalid, optimized

ROUTES = (DYNAMO, SCRIPT, TF2ONNX)
PREFIXES = {DYNAMO: "dynamo", SCRIPT: "script", TF2ONNX: "tf"}
OPTIMIZERS = {DYNAMO: "dynamo-optimizer", SCRIPT: "script-folding", TF2ONNX: "tf-folding"}

CONVERTED: tuple[tuple[str, str, tuple[str, ...], Surgery], ...] = (
    ("floor-up", "wrong rounding", (DYNAMO, SCRIPT), s.nodes("Floor", s.to("Ceil"))),
    (
        "window-padding-moved",
        "wrong padding",
        ROUTES,
        s.nodes(("Conv", "MaxPool", "AveragePool"), s.attribute("pads", s.shifted)),
    ),
    ("pad-reversed", "wrong padding", (DYNAMO, TF2ONNX), s.nodes("Pad", s.constant(1, lambda pads: pads[::-1]))),
    (
        "softmax-axis",
        "wrong axis",
        ROUTES,
        s.nodes(("Softmax", "LogSoftmax"), s.attribute("axis", s.other_axis, -1)),
    ),
    ("concat-axis", "wrong axis", (DYNAMO, TF2ONNX), s.nodes("Concat", s.attribute("axis", s.other_axis))),
    ("gather-axis", "wrong axis", (SCRIPT, TF2ONNX), s.nodes("Gather", s.attribute("axis", s.other_axis, 0))),
    ("mul-rank-3", "one rank only", (DYNAMO, TF2ONNX), s.nodes("Mul", s.negated, where=s.of_rank(3))),
    ("weights-float16", "precision lost", ROUTES, s.nodes(("MatMul", "Gemm", "Conv"), s.narrowed("float16"))),
    ("where-swapped", "swapped operands", (DYNAMO, TF2ONNX), s.nodes("Where", s.swapped(1))),
    (
        "split-repeats",
        "dead output",
        ROUTES,
        s.both(s.nodes("Split", s.repeating), s.nodes("SequenceAt", s.first_instead)),
    ),
    ("abs-dead", "dead output", (DYNAMO, TF2ONNX), s.nodes("Abs", s.zeroed)),
    ("mul-float64", "dtype changed", (SCRIPT, TF2ONNX), s.nodes(("Mul", "Add"), s.retyped(s.FLOAT, s.DOUBLE))),
)
"""Name, kind, routes, and what is done to what the converter makes."""

OPTIMIZED: tuple[tuple[str, str, tuple[str, ...], Surgery], ...] = (
    ("drops-transpose", "wrong axis", ROUTES, s.nodes("Transpose", s.skipped)),
    ("less-or-equal", "wrong operator", (DYNAMO, TF2ONNX), s.nodes("Less", s.to("LessOrEqual"))),
)
"""The same of what its optimizer makes."""

SQUEEZED = s.nodes(("Squeeze", "Einsum"), s.undefined)
"""tf2onnx's optimizer makes squeezes of an Einsum; without it, that is at fault."""

FAULTS: tuple[Fault, ...] = (
    *(converted(f"{PREFIXES[r]}-{name}", r, kind, done) for name, kind, routes, done in CONVERTED for r in routes),
    *(optimized(f"{OPTIMIZERS[r]}-{name}", r, kind, done) for name, kind, routes, done in OPTIMIZED for r in routes),
    *(invalid(f"{PREFIXES[r]}-squeeze-of-nobody", r, SQUEEZED) for r in (DYNAMO, TF2ONNX)),
)
