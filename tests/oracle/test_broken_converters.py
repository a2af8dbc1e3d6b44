"""A converter that is broken on purpose is found out, on its own route and not on the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import Outcome
from graphfuzz.spec import Registry
from tests.oracle.test_routes import ROUTES, outcome

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def _break_torchlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """tanh becomes sigmoid in every registry that torchlib makes."""
    from torch.onnx._internal.exporter import _registration

    plain = _registration.ONNXRegistry.from_torchlib.__func__  # type: ignore[attr-defined]

    def broken(cls: Any, *args: Any, **kwargs: Any) -> Any:
        registry = plain(cls, *args, **kwargs)
        (tanh,), (sigmoid,) = registry.functions["aten::tanh"], registry.functions["aten::sigmoid"]
        tanh.onnx_function, tanh.signature = sigmoid.onnx_function, sigmoid.signature
        return registry

    monkeypatch.setattr(_registration.ONNXRegistry, "from_torchlib", classmethod(broken))


def _break_torchscript(monkeypatch: pytest.MonkeyPatch) -> None:
    """tanh becomes sigmoid in the TorchScript exporter's table of symbolic functions."""
    from torch.onnx._internal.torchscript_exporter import registration

    group = registration.registry.get_function_group("aten::tanh")
    sigmoid = registration.registry.get_function_group("aten::sigmoid")
    assert group is not None
    assert sigmoid is not None
    monkeypatch.setattr(group, "_functions", sigmoid._functions)


def _break_tf2onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler of TensorFlow's Tanh makes a Sigmoid."""
    import tf2onnx.tfonnx
    from tf2onnx.handler import tf_op

    plain = tf_op.create_mapping

    def broken(*args: Any, **kwargs: Any) -> Any:
        mapping = dict(plain(*args, **kwargs))
        handler, options = mapping["Tanh"]

        def to_sigmoid(graph: Any, node: Any, **given: Any) -> None:
            handler(graph, node, **given)
            node.type = "Sigmoid"

        mapping["Tanh"] = (to_sigmoid, options)
        return mapping

    monkeypatch.setattr(tf2onnx.tfonnx.handler.tf_op, "create_mapping", broken)


BREAKS = dict(zip(ROUTES, (_break_torchlib, _break_torchscript, _break_tf2onnx), strict=True))


def tanh(name: str, registry: Registry) -> Outcome:
    return outcome(name, registry, "relu", "tanh", x=np.linspace(-2, 2, 8, dtype="float32"))


@pytest.mark.parametrize("name", ROUTES)
def test_wrong_values_are_found_where_they_are_made(
    name: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    BREAKS[name](monkeypatch)
    found = tanh(name, registry)
    assert (found.verdict, found.stage) == ("wrong-output", "compare"), found.traceback
    assert found.mismatch is not None
    assert found.mismatch.output == "y1"
    assert found.mismatch.differ == 8
    assert found.mismatch.float64 == pytest.approx(found.mismatch.expected, rel=1e-5)
    others = [other for other in ROUTES if other != name]
    assert [tanh(other, registry).verdict for other in others] == ["ok", "ok"]


def test_a_handler_that_fails_is_a_crash_though_tf2onnx_goes_on(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tf2onnx.handler import tf_op

    plain = tf_op.create_mapping

    def explode(graph: Any, node: Any, **given: Any) -> None:
        raise ZeroDivisionError("in a handler")

    monkeypatch.setattr(tf_op, "create_mapping", lambda *args: {**plain(*args), "Tanh": (explode, {})})
    found = tanh("tf2onnx-ort", registry)
    assert (found.verdict, found.stage, found.error) == ("conversion-crash", "conversion", "ZeroDivisionError")
    assert "explode" in found.traceback


def test_a_subtle_fault_is_found(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """GELU's tanh approximation in place of GELU: off by at most 5e-4, yet far beyond rounding."""
    import torch
    from torch.nn import functional

    route = load_route("torch-script-ort")
    plain = functional.gelu
    inside: list[bool] = []

    def approximate(x: Any, approximate: str = "none") -> Any:
        return plain(x, approximate="tanh" if inside else approximate)

    monkeypatch.setattr(functional, "gelu", approximate)
    export = torch.onnx.export

    def exporting(*args: Any, **kwargs: Any) -> Any:
        inside.append(True)
        try:
            return export(*args, **kwargs)
        finally:
            inside.clear()

    monkeypatch.setattr(torch.onnx, "export", exporting)
    found = outcome(route.name, registry, "gelu", x=np.linspace(-3, 3, 16, dtype="float32"))
    assert found.verdict == "wrong-output", found.traceback
    assert found.mismatch is not None
    assert found.mismatch.expected is not None
    assert found.mismatch.actual is not None
    assert abs(found.mismatch.expected - found.mismatch.actual) < 1e-3
