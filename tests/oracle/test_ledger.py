"""The ledgers: complete lists, recordings that change nothing, and reasons that are true."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from graphfuzz.oracle.ledger import (
    ABSENT,
    OUTSIDE,
    Ledger,
    Reason,
    first_of,
    onnx_entries,
    onnx_operators,
    take_stock,
    used_of,
)
from graphfuzz.oracle.route import default_routes, load_route
from graphfuzz.oracle.routes.warm import remembered_registry

ROUTES = default_routes()


def ledger(name: str) -> Ledger:
    found = load_route(name).ledger
    assert found is not None
    return found


DYNAMO, SCRIPT, TF = "torch-dynamo-ort", "torch-script-ort", "tf2onnx-ort"


def used_by(route: str, function: Callable[..., Any], *inputs: Any) -> set[str]:
    """The entries that exporting the function as a module uses."""
    import torch

    class Module(torch.nn.Module):
        def forward(self, *given: Any) -> Any:
            return function(*given)

    used: set[str] = set()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    options: dict[str, Any] = {"dynamo": True} if route == DYNAMO else {"dynamo": False, "f": io.BytesIO()}
    with warnings.catch_warnings(), remembered_registry(), ledger(route).recording(used):
        warnings.simplefilter("ignore")
        torch.onnx.export(Module().eval(), inputs, verbose=False, **options)
    return used


@pytest.mark.parametrize("name", ROUTES)
def test_a_ledger_is_complete_and_each_entry_stands_once(name: str) -> None:
    stock = take_stock(ledger(name))
    names = [entry.name for entry, _ in stock.entries]
    assert len(names) == len(set(names)) > 300
    assert {reason.kind for _, reason in stock.entries if reason} == {ABSENT, OUTSIDE}
    assert stock.opset >= 18
    assert len(stock.operators) > 150


MODELS = """
import hashlib, logging, random, sys
from contextlib import nullcontext
from graphfuzz.generator import single_operator_case
from graphfuzz.materializer import build, source
from graphfuzz.oracle.route import load_route
from graphfuzz.spec.registry import load_registry
logging.disable(logging.CRITICAL)
registry, route = load_registry(), load_route(sys.argv[1])
for name in ("relu", "conv2d", "sum"):  # tf2onnx orders what a loop uses by addresses: no recurrent one
    case = single_operator_case(registry[name], route.framework, random.Random(3), {"T": "float32"})
    model = build(source(case.graph, registry, route.framework), route.framework, case.weights())
    used = set()
    with route.ledger.recording(used) if sys.argv[2] == "record" else nullcontext():
        made = route.convert(model, case.inputs(), {}).SerializeToString(deterministic=True)
    print(name, hashlib.sha256(made).hexdigest())
assert bool(used) == (sys.argv[2] == "record")
"""


def models(name: str, mode: str) -> str:
    """The hashes of some models, converted in a process of its own: names of values depend on what was before."""
    command = [sys.executable, "-W", "ignore", "-c", MODELS, name, mode]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.parametrize("name", ROUTES)
def test_recording_changes_no_byte_of_any_model(name: str) -> None:
    plain = models(name, "plain")
    assert plain.count("\n") == 3
    assert plain == models(name, "record")


def test_recording_ends_with_its_context() -> None:
    from torch.onnx._internal.exporter import _dispatching

    plain = _dispatching.dispatch

    def interrupted() -> None:
        with ledger(DYNAMO).recording(set()):
            assert _dispatching.dispatch is not plain
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert _dispatching.dispatch is plain


def test_what_conversions_use_is_listed() -> None:
    import torch

    x = torch.ones(2, 3)
    assert used_by(DYNAMO, lambda x: torch.chunk(torch.relu(x), 3, 1), x) == {
        "aten::relu",
        "aten::split.Tensor",
        "_operator.getitem",
    }
    assert "aten::mul.Tensor [complex]" in used_by(DYNAMO, lambda x: torch.view_as_real(torch.fft.fft(x) * 2j), x)
    assert used_by(SCRIPT, lambda x: torch.relu_(x + 1), x) == {"aten::add", "aten::relu", "prim::Constant"}
    for name in (DYNAMO, SCRIPT):
        listed = {entry.name for entry in ledger(name).entries()}
        assert used_by(name, lambda x: torch.tile(x, (2, 2)).round().reshape(3, 8), x) <= listed


def test_tf2onnx_records_what_a_loop_body_uses_too() -> None:
    tf, tf2onnx = pytest.importorskip("tensorflow"), pytest.importorskip("tf2onnx")
    used: set[str] = set()
    function = tf.function(lambda x: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2.0), (0, x))[1])
    with ledger(TF).recording(used):
        tf2onnx.convert.from_function(function, [tf.TensorSpec((2,), tf.float32)], opset=18)
    assert {"Mul", "StatelessWhile"} <= used
    assert used <= {entry.name for entry in ledger(TF).entries()}


REASONS = [
    (DYNAMO, "aten::getitem", ABSENT, "PyTorch registers no such operator"),
    (DYNAMO, "quantized_decomposed::quantize_per_tensor", OUTSIDE, "quantized models"),
    (DYNAMO, "aten::tensor.bool", ABSENT, "an operator of TorchScript only"),
    (DYNAMO, "aten::reshape", ABSENT, "decomposed before dispatch"),
    (DYNAMO, "aten::rand_like", OUTSIDE, "random"),
    (DYNAMO, "aten::hardtanh_backward", OUTSIDE, "gradients"),
    (DYNAMO, "_operator.add", OUTSIDE, "symbolic numbers"),
    (DYNAMO, "aten::sym_size.int", OUTSIDE, "symbolic numbers"),
    (DYNAMO, "aten::equal", ABSENT, "torch.export refuses it"),
    (DYNAMO, "aten::_scaled_dot_product_flash_attention", OUTSIDE, "no kernel for a processor"),
    (DYNAMO, "onnx_symbolic::_symbolic", OUTSIDE, "ONNX nodes written by hand"),
    (SCRIPT, "aten::dropout_", ABSENT, "PyTorch has no operator that is looked up by the name"),
    (SCRIPT, "aten::tanhshrink", ABSENT, "PyTorch has no operator that is looked up by the name"),
    (SCRIPT, "aten::conv2d", ABSENT, "the tracer records its parts instead"),
    (SCRIPT, "quantized::linear", OUTSIDE, "quantized tensors"),
    (SCRIPT, "aten::randn", OUTSIDE, "random"),
    (SCRIPT, "aten::floordiv", OUTSIDE, "Python numbers of a scripted module"),
    (TF, "com.microsoft::MatrixInverse", ABSENT, "handlers of further domains, which the route does not enable"),
    (TF, "TFL_PRELU", ABSENT, "operators of TFLite models"),
    (TF, "SquaredDistance", ABSENT, "TensorFlow registers no such operator"),
    (TF, "PlaceholderV2", ABSENT, "TensorFlow has deprecated it and refuses to make it"),
    (TF, "CudnnRNN", OUTSIDE, "no kernel for a processor"),
    (TF, "StringLower", OUTSIDE, "strings"),
    (TF, "HashTableV2", OUTSIDE, "state outside of the model: queues, tables, iterators"),
    (TF, "RandomShuffle", OUTSIDE, "random"),
    (TF, "RandomNormalLike", OUTSIDE, "random"),
]


@pytest.mark.parametrize(("route", "entry", "kind", "text"), REASONS)
def test_a_reason(route: str, entry: str, kind: str, text: str) -> None:
    reason = ledger(route).reason(entry)
    assert reason is not None
    assert (reason.kind, reason.text) == (kind, text)
    assert reason.evidence
    assert entry in {known.name for known in ledger(route).entries()}


OWED = {
    DYNAMO: [
        *("aten::relu", "aten::nonzero", "aten::native_dropout", "aten::_fft_c2c [complex]", "_operator.getitem"),
        *("aten::scaled_dot_product_attention", "torch.ops.higher_order.cond", "aten::_local_scalar_dense"),
        *("aten::empty_like", "aten::fake_quantize_per_tensor_affine"),
    ],
    SCRIPT: [
        *("aten::relu", "aten::dropout", "aten::__and_", "aten::masked_fill", "prim::ConstantChunk", "prim::If"),
        *("aten::size", "aten::tile"),
    ],
    TF: ["Relu", "Loop", "Scan", "If", "While", "TensorListReserve", "IdentityN", "NoOp", "CheckNumerics", "RFFT"],
}


@pytest.mark.parametrize(("route", "entry"), [(route, entry) for route, names in OWED.items() for entry in names])
def test_what_a_module_can_lead_to_is_owed(route: str, entry: str) -> None:
    assert entry in {known.name for known in ledger(route).entries()}
    assert ledger(route).reason(entry) is None


def test_what_is_decomposed_before_dispatch_is_never_dispatched() -> None:
    import torch

    x = torch.ones(2, 3)

    def everything(x: Any) -> Any:
        parts = torch.chunk(torch.broadcast_to(x, (4, 2, 3)).contiguous(), 2)
        y = parts[0].narrow(1, 0, 2).mT.flatten(0, 1).unflatten(1, (2, 1)).resolve_conj().resolve_neg()
        y = torch.nn.functional.dropout(torch.atleast_3d(torch.atleast_2d(torch.atleast_1d(y))), 0.5, False)
        return y.reshape(-1).view_as(y.flatten()).expand_as(torch.ones(5, 12)) + 1

    used = used_by(DYNAMO, everything, x)
    decomposed = [
        entry.name
        for entry in ledger(DYNAMO).entries()
        if (reason := ledger(DYNAMO).reason(entry.name)) and reason.text == "decomposed before dispatch"
    ]
    assert "aten::view" in used
    assert not used & set(decomposed)
    assert len(decomposed) < 30


@pytest.mark.parametrize("name", ["equal", "allclose"])
def test_what_depends_on_data_cannot_be_exported(name: str) -> None:
    import torch
    from torch._subclasses.fake_tensor import DataDependentOutputException

    with pytest.raises(DataDependentOutputException, match=name):
        torch.export.export(scaled(getattr(torch, name)), (torch.ones(2), torch.ones(2)))


def scaled(predicate: Callable[..., Any]) -> Any:
    import torch

    class Scaled(torch.nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return x * predicate(x, y)

    return Scaled()


def test_what_has_no_kernel_for_a_processor_does_not_run() -> None:
    import torch

    query = torch.ones(1, 1, 2, 8)
    with pytest.raises(NotImplementedError):
        torch.ops.aten._scaled_dot_product_flash_attention(query, query, query)


def test_what_the_tracer_takes_apart_or_names_otherwise() -> None:
    import torch

    x = torch.ones(1, 2, 4)
    used = used_by(SCRIPT, lambda x: torch.conv1d(x, torch.ones(2, 2, 2)), x)
    assert "aten::_convolution" in used
    assert "aten::conv1d" not in used
    used = used_by(SCRIPT, lambda x: torch.dropout_(x.clone(), 0.5, False), x)
    assert "aten::dropout" in used
    assert "aten::dropout_" not in used


def test_the_first_reason_counts() -> None:
    first, second = Reason(ABSENT, "one", ""), Reason(OUTSIDE, "two", "")
    reason = first_of(lambda name: first if name == "a" else None, lambda name: second if name in "ab" else None)
    assert [reason(name) for name in "abc"] == [first, second, None]


def test_the_operators_of_a_model_are_those_of_its_subgraphs_too() -> None:
    def graph(*nodes: Any) -> Any:
        return helper.make_graph(nodes, "g", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])

    inner = graph(helper.make_node("Celu", ["x"], ["y"]))
    outer = graph(
        helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner),
        helper.make_node("Gelu", ["y"], ["z"], domain="com.microsoft"),
        helper.make_node("Mine", ["y"], ["z"], domain="local"),
    )
    mine = helper.make_function(
        "local", "Mine", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [helper.make_opsetid("", 18)]
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("local", 1)]
    model = helper.make_model(outer, opset_imports=opsets, functions=[mine])
    assert onnx_operators(model.SerializeToString()) == ("Celu-12", "If-16", "Relu-14", "com.microsoft::Gelu")


def test_the_operators_of_an_opset() -> None:
    entries = onnx_entries(18)
    assert "Relu-14" in entries
    assert "Relu-13" not in entries
    assert not [name for name in entries if name.startswith(("Gelu-", "Upsample-", "Scatter-"))]  # later; deprecated
    assert len(entries) == len({name.rpartition("-")[0] for name in entries})
    assert onnx.defs.onnx_opset_version() > 18


def test_nothing_is_used_where_no_model_was_made() -> None:
    assert used_of({"b", "a"}, b"").entries == ("a", "b")
    assert used_of(set(), b"").operators == ()
