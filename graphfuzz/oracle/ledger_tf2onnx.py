"""The ledger of tf2onnx: its handlers of TensorFlow operators, by domain and opset."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from graphfuzz.oracle.ledger import ABSENT, OUTSIDE, Entry, Ledger, Reason, first_of, replaced

OPSET = 18
"""The opset that the route asks for."""


def entries() -> tuple[Entry, ...]:
    """Every operator that has a handler; "domain::name" where only a further domain has it."""
    found: dict[str, list[str]] = {}
    for domain, opsets in _handlers().items():
        for opset, handlers in enumerate(opsets):
            for operator in handlers:
                name = operator if operator in _plain() else f"{domain}::{operator}"
                found.setdefault(name, []).append(f"{domain or 'opset'} {opset}")
    return tuple(Entry(name, ", ".join(details)) for name, details in sorted(found.items()))


@contextmanager
def recording(used: set[str]) -> Iterator[None]:
    """Adds each operator whose handler is looked up and found in the mapping that a conversion makes."""
    from tf2onnx.handler import tf_op

    class Recorded(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            if key in self:
                used.add(key)
            return super().get(key, default)

    def wrapped(plain: Any) -> Any:
        def create_mapping(*arguments: Any) -> Any:
            tf_op._MAPPING = Recorded(plain.__func__(*arguments))
            return tf_op._MAPPING

        return staticmethod(create_mapping)

    with replaced(tf_op, "create_mapping", wrapped):
        yield


def _handlers() -> Any:
    import tf2onnx.tfonnx  # noqa: F401 - registers the handlers
    from tf2onnx.handler import tf_op

    return tf_op.get_opsets()


@cache
def _plain() -> frozenset[str]:
    """The operators that have a handler under the route's options: ONNX's own domain, opsets up to the route's."""
    return frozenset(operator for handlers in _handlers()[""][: OPSET + 1] for operator in handlers)


@cache
def _rewriters() -> str:
    """The text of tf2onnx's rewriters, which put operators of their own making into a graph."""
    import tf2onnx.rewriter

    folder = Path(tf2onnx.rewriter.__file__).parent
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))


def _definition(name: str) -> Any | None:
    """TensorFlow's definition (`OpDef`) of an operator, or None."""
    import tensorflow as tf  # noqa: F401 - registers the operators
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(name)


def _other_domain(name: str) -> Reason | None:
    if name in _plain():
        return None
    text = "handlers of further domains, which the route does not enable"
    return Reason(ABSENT, text, f"not in ONNX's domain at opsets up to {OPSET}")


def _lite(name: str) -> Reason | None:
    if not name.startswith("TFL_"):
        return None
    return Reason(ABSENT, "operators of TFLite models", "tf2onnx gives them this prefix; no TensorFlow graph has it")


def _no_operator(name: str) -> Reason | None:
    """TensorFlow has no such operator, and no rewriter so much as mentions it."""
    if _definition(name) is not None or re.search(f"""["']{re.escape(name)}["']""", _rewriters()):
        return None
    return Reason(ABSENT, "TensorFlow registers no such operator", "neither op_def_registry nor a rewriter has it")


def _deprecated(name: str) -> Reason | None:
    """TensorFlow refuses to make a node of an operator that its graph version deprecates."""
    import tensorflow as tf

    definition = _definition(name)
    if definition is None or not 0 < definition.deprecation.version <= tf.version.GRAPH_DEF_VERSION:
        return None
    said = f"since graph version {definition.deprecation.version}: {definition.deprecation.explanation}"
    return Reason(ABSENT, "TensorFlow has deprecated it and refuses to make it", said)


def _types(name: str) -> set[int]:
    definition = _definition(name)
    return set() if definition is None else {a.type for a in (*definition.input_arg, *definition.output_arg)}


def _strings(name: str) -> Reason | None:
    import tensorflow as tf

    if tf.string.as_datatype_enum not in _types(name):
        return None
    return Reason(OUTSIDE, "strings", "its OpDef has an operand or a result of DT_STRING")


def _resources(name: str) -> Reason | None:
    import tensorflow as tf

    if tf.resource.as_datatype_enum not in _types(name):
        return None
    return Reason(OUTSIDE, "state outside of the model: queues, tables, iterators", "its OpDef has a DT_RESOURCE")


def _random(name: str) -> Reason | None:
    definition = _definition(name)
    if definition is None and _draws(name):
        return Reason(OUTSIDE, "random", "tf2onnx makes it of random operators, and ONNX's schema has a seed")
    if definition is None or not definition.is_stateful or "seed2" not in {a.name for a in definition.attr}:
        return None
    return Reason(OUTSIDE, "random", "its OpDef is stateful and has a seed")


def _draws(name: str) -> bool:
    """Whether the name, which a rewriter made, is that of an operator of ONNX that draws numbers, from a seed."""
    import onnx

    return bool(onnx.defs.has(name)) and "seed" in onnx.defs.get_schema(name).attributes


def _no_kernel(name: str) -> Reason | None:
    """Devices other than the processor are not at hand: the source model could not run."""
    from tensorflow.python.framework import kernels

    if _definition(name) is None:
        return None
    devices = {kernel.device_type for kernel in kernels.get_registered_kernels_for_op(name).kernel}
    if devices & {"CPU", "DEFAULT"}:  # DEFAULT: the same kernel on any device
        return None
    return Reason(OUTSIDE, "no kernel for a processor", f"kernels for {', '.join(sorted(devices)) or 'nothing'} only")


REASONS = (_other_domain, _lite, _no_operator, _deprecated, _no_kernel, _strings, _resources, _random)
ledger = Ledger(entries, recording, first_of(*REASONS), lambda: OPSET)
