"""Routes whose `convert` is one self-contained function, as `repro.py` needs it; for a relu of `x0`."""

from __future__ import annotations

from typing import Any

from graphfuzz.graph import Array, Axes
from graphfuzz.oracle.route import Route


def convert_right(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[2, 3] y) { y = Relu(x0) }""")


def convert_wrong(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[2, 3] y) { r = Relu(x0) a = Abs(x0) y = Add(r, a) }""")


def convert_symbolic(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[n, 3] x0) => (float[n, 3] y) { y = Relu(x0) }""")


def convert_misdeclared(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[n, 3] x0) => (float[2, 3] y) { y = Relu(x0) }""")


def convert_baked(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[n, 3] x0) => (float[m, 3] y)
        <int64[1] zero = {0}, int64[1] two = {2}> { r = Relu(x0) y = Slice(r, zero, two, zero) }""")


def convert_apart(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[2, 3] y, float[2, 3] z)
        <float a = {0.09}> { r = Relu(x0) y = Add(r, a) z = Sub(r, a) }""")


def convert_special(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[2, 3] y) { z = Sub(x0, x0) y = Div(x0, z) }""")


def convert_other_dtype(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (double[2, 3] y) { r = Relu(x0) y = Cast <to: int = 11> (r) }""")


def convert_other_shape(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[3, 2] y) { r = Relu(x0) y = Transpose(r) }""")


def convert_wrong_complex(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    sizes = ", ".join(map(str, inputs["x0"].shape))
    return onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[{sizes}, 2] x0) => (float[{sizes}, 2] y) {{ y = Neg(x0) }}""")


def convert_right_complex(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    sizes = ", ".join(map(str, inputs["x0"].shape))
    return onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[{sizes}, 2] x0) => (float[{sizes}, 2] y) {{ y = Identity(x0) }}""")


def convert_wrong_half(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    sizes = ", ".join(map(str, inputs["x0"].shape))
    return onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 18]>
        g (bfloat16[{sizes}] x0) => (bfloat16[{sizes}] y)
        {{ f = Cast <to: int = 1> (x0) n = Neg(f) y = Cast <to: int = 16> (n) }}""")


def convert_right_half(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    sizes = ", ".join(map(str, inputs["x0"].shape))
    return onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 18]>
        g (bfloat16[{sizes}] x0) => (bfloat16[{sizes}] y) {{ y = Identity(x0) }}""")


def convert_invalid(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[2, 3] y) { y = Relu(x0, x0) }""")


def convert_disputed(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[7] y) { y = Abs(x0) }""")


def convert_other_inputs(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0, float[2, 3] z) => (float[2, 3] y) { y = Add(x0, z) }""")


def convert_unloadable(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18, "nowhere" : 1]>
        g (float[2, 3] x0) => (float[2, 3] y) { y = nowhere.Thing(x0) }""")


def convert_unrunnable(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[n, m] y) {
            s = Shape(x0) one = Constant <value = int64[1] {1}> () t = Add(s, one) y = Reshape(x0, t) }""")


def convert_raising(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError("a wrapper") from error


def convert_dying(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import ctypes

    return ctypes.string_at(0)


def convert_deadly_to_check(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import ctypes

    class Deadly:
        """A model that whoever looks at its graph dies of, as the checker does."""

        @property
        def graph(self) -> Any:
            return ctypes.string_at(0)

    return Deadly()


def convert_off_by_little(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[2, 3] y) {
            r = Relu(x0) c = Constant <value = float {0.001}> () y = Add(r, c) }""")


def convert_off_elsewhere(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import onnx.parser

    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[2, 3] y) {
            r = Relu(x0) c = Constant <value = float[1, 3] {0.0, 0.0, 0.5}> () y = Add(r, c) }""")


def convert_disputed_and_deadly(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import ctypes

    import onnx.parser

    proto = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        g (float[2, 3] x0) => (float[7] y) { y = Relu(x0) }""")

    class Deadly:
        graph = proto.graph

        def SerializeToString(self) -> Any:
            return ctypes.string_at(0)

    return Deadly()


def convert_hanging(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    import time

    time.sleep(600)


def convert_greedy(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    return bytearray(64 << 30)


def _never(error: BaseException) -> bool:
    return False


PACKAGES = ("torch", "onnx", "onnxruntime", "numpy")
PRELOAD = ("torch", "onnx.shape_inference", "onnxruntime")

right = Route("right", "torch", PACKAGES, convert_right, _never, PRELOAD)
wrong = Route("wrong", "torch", PACKAGES, convert_wrong, _never, PRELOAD)
wrong_complex = Route("wrong-complex", "torch", PACKAGES, convert_wrong_complex, _never, PRELOAD)
right_complex = Route("right-complex", "torch", PACKAGES, convert_right_complex, _never, PRELOAD)
wrong_half = Route("wrong-half", "torch", PACKAGES, convert_wrong_half, _never, PRELOAD)
right_half = Route("right-half", "torch", PACKAGES, convert_right_half, _never, PRELOAD)
symbolic = Route("symbolic", "torch", PACKAGES, convert_symbolic, _never, PRELOAD)
misdeclared = Route("misdeclared", "torch", PACKAGES, convert_misdeclared, _never, PRELOAD)
baked = Route("baked", "torch", PACKAGES, convert_baked, _never, PRELOAD)
apart = Route("apart", "torch", PACKAGES, convert_apart, _never, PRELOAD)
special = Route("special", "torch", PACKAGES, convert_special, _never, PRELOAD)
other_dtype = Route("other-dtype", "torch", PACKAGES, convert_other_dtype, _never, PRELOAD)
other_shape = Route("other-shape", "torch", PACKAGES, convert_other_shape, _never, PRELOAD)
invalid = Route("invalid", "torch", PACKAGES, convert_invalid, _never, PRELOAD)
disputed = Route("disputed", "torch", PACKAGES, convert_disputed, _never, PRELOAD)
other_inputs = Route("other-inputs", "torch", PACKAGES, convert_other_inputs, _never, PRELOAD)
unloadable = Route("unloadable", "torch", PACKAGES, convert_unloadable, _never, PRELOAD)
unrunnable = Route("unrunnable", "torch", PACKAGES, convert_unrunnable, _never, PRELOAD)
raising = Route("raising", "torch", PACKAGES, convert_raising, _never, PRELOAD)
off_by_little = Route("off-by-little", "torch", PACKAGES, convert_off_by_little, _never, PRELOAD)
off_elsewhere = Route("off-elsewhere", "torch", PACKAGES, convert_off_elsewhere, _never, PRELOAD)
deadly_to_check = Route("deadly-to-check", "torch", PACKAGES, convert_deadly_to_check, _never, PRELOAD)
disputed_and_deadly = Route("disputed-and-deadly", "torch", PACKAGES, convert_disputed_and_deadly, _never, PRELOAD)
dying = Route("dying", "torch", PACKAGES, convert_dying, _never, PRELOAD)
hanging = Route("hanging", "torch", PACKAGES, convert_hanging, _never, PRELOAD)
greedy = Route("greedy", "torch", PACKAGES, convert_greedy, _never, PRELOAD)
unimportable = Route("unimportable", "torch", PACKAGES, convert_right, _never, ("tests.corpus.unimportable",))
of_keras = Route("of-keras", "keras", (), convert_right, _never)
