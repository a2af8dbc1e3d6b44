"""Remembering the exporter's registry changes no model by a byte, and much of the time."""

from __future__ import annotations

from typing import Any

import pytest

from graphfuzz.generator import Recipe, generate
from graphfuzz.materializer import build, source
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.routes.warm import remembered_registry
from graphfuzz.spec import Registry

OPERATORS = ("relu", "tanh", "add", "matmul", "softmax", "concat", "sum", "layer_norm", "conv2d", "where", "reshape")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def export(index: int, registry: Registry) -> bytes:
    """The model of a random case, by the default exporter."""
    route = load_route("torch-dynamo-ort")
    case = generate(Recipe(11, index, "torch", 12, OPERATORS), registry)
    model = build(source(case.graph, registry, "torch"), "torch", case.weights())
    return bytes(route.convert(model, case.inputs(), {}).SerializeToString(deterministic=True))


def test_models_are_equal_with_and_without(registry: Registry) -> None:
    plain = [export(index, registry) for index in range(6)]
    with remembered_registry():
        warm = [export(index, registry) for index in range(6)]
    again = [export(index, registry) for index in range(2)]
    assert warm == plain
    assert again == plain[:2]


def test_the_registry_is_made_once_and_never_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.onnx._internal.exporter import _registration

    kind: Any = _registration.ONNXRegistry
    calls: list[int] = []
    plain = vars(kind)["from_torchlib"].__func__

    def counted(cls: Any, opset_version: int = 18) -> Any:
        calls.append(opset_version)
        return plain(cls, opset_version)

    monkeypatch.setattr(kind, "from_torchlib", classmethod(counted))
    monkeypatch.setattr("graphfuzz.oracle.routes.warm._registries", {})
    with remembered_registry():
        first = kind.from_torchlib()
        first.functions["aten::relu"].clear()
        first.functions["custom::op"] = []
        second = kind().from_torchlib()
        assert second.functions["aten::relu"]
        assert "custom::op" not in second.functions
        assert second.opset_version == first.opset_version
        kind.from_torchlib(opset_version=20)
    assert calls == [18, 20]
    kind.from_torchlib()
    assert calls == [18, 20, 18]


def test_a_decomposition_table_is_made_once_and_never_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.onnx._internal.exporter import _decomp

    calls: list[Any] = []
    monkeypatch.setattr(
        _decomp, "create_onnx_friendly_decomposition_table", lambda ops: calls.append(ops) or {"kept": len(ops)}
    )
    monkeypatch.setattr("graphfuzz.oracle.routes.warm._tables", {})
    with remembered_registry():
        first = _decomp.create_onnx_friendly_decomposition_table({"a"})
        first.clear()
        assert _decomp.create_onnx_friendly_decomposition_table({"a"}) == {"kept": 1}
        assert _decomp.create_onnx_friendly_decomposition_table({"a", "b"}) == {"kept": 2}
    assert calls == [{"a"}, {"a", "b"}]
    _decomp.create_onnx_friendly_decomposition_table({"a"})
    assert len(calls) == 3


def test_composite_operators_are_named_once_for_each_export(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._export import utils

    calls: list[int] = []
    monkeypatch.setattr(utils, "_materialize_cpp_cia_ops", lambda: calls.append(1))
    for _ in range(2):
        with remembered_registry():
            utils._materialize_cpp_cia_ops()
            utils._materialize_cpp_cia_ops()
    assert len(calls) == 2
