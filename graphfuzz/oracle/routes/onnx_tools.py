"""PyTorch's TorchScript exporter, and then what works on ONNX models: tools from ONNX to ONNX, and other runtimes.

What the exporter or ONNX Runtime gets wrong is not held against them (`Route.before`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import msgspec

from graphfuzz.graph import Array, Axes
from graphfuzz.oracle.ledger import replaced
from graphfuzz.oracle.route import Route
from graphfuzz.oracle.routes.torch_script import convert
from graphfuzz.oracle.routes.torch_script import route as script
from graphfuzz.oracle.targets import ONNX_REFERENCE


def convert_version(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """The exported model, brought to opset 23 by ONNX's version converter."""
    import onnx.version_converter

    return onnx.version_converter.convert_version(convert(model, inputs, axes), 23)


def slim(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """The exported model, made smaller by onnxslim."""
    import onnxslim

    return onnxslim.slim(convert(model, inputs, axes))


def simplify(model: Any, inputs: dict[str, Array], axes: Axes) -> Any:
    """The exported model, simplified by onnxsim."""
    import onnxsim

    return onnxsim.simplify(convert(model, inputs, axes))[0]


def _with_tool(name: str, by: Callable[..., Any], tool: str, idle: Callable[..., Any], extra: str = "") -> Route:
    """The route whose `convert` is `by`. tool: "module:function", in whose place `idle` does nothing."""
    module, _, function = tool.partition(":")
    package = module.partition(".")[0]

    def off() -> AbstractContextManager[None]:
        return replaced(import_module(module), function, lambda plain: idle)

    return msgspec.structs.replace(
        script,
        name=name,
        packages=tuple(dict.fromkeys((*script.packages, package))),
        converter=module,
        convert=by,
        helpers=(convert,),
        preload=(*script.preload, module),
        ledger=None,
        without={module: off, **script.without},
        before=script,
        extra=extra,
        is_default=False,
    )


versioned = _with_tool(
    "onnx-version-converter-ort",
    convert_version,
    "onnx.version_converter:convert_version",
    lambda model, opset: model,
)
slimmed = _with_tool("onnxslim-ort", slim, "onnxslim:slim", lambda model: model, "onnxslim")
simplified = _with_tool("onnxsim-ort", simplify, "onnxsim:simplify", lambda model: (model, True), "onnxsim")
referenced = msgspec.structs.replace(
    script,
    name="onnx-reference",
    packages=tuple(name for name in script.packages if name != "onnxruntime"),
    ledger=None,
    target=ONNX_REFERENCE,
    before=script,
    is_default=False,
)
