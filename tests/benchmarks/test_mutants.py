"""Planted faults: what they alter, what there is of them, and the benchmark that looks for them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import pytest

import benchmarks.faults
from benchmarks import mutants
from benchmarks.faults import FAULTS, KINDS, Fault
from graphfuzz.generator import Recipe, generate
from graphfuzz.graph import Case
from graphfuzz.oracle.attribution.evidence import STAGES
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import default_routes, load_route
from graphfuzz.oracle.routes.warm import remembered_registry
from graphfuzz.oracle.verdict import CONVERSION_CRASH, Outcome
from graphfuzz.spec import Registry
from graphfuzz.spec.operator import FRAMEWORKS

ROOT = Path(__file__).parents[2]
MODULES = sorted(Path(benchmarks.faults.__file__).parent.glob("*.py"))


def test_there_are_enough_faults_of_every_kind_on_every_route():
    assert len(FAULTS) >= 60
    routes = Counter(fault.route for fault in FAULTS.values())
    assert set(routes) == set(default_routes())
    assert min(routes.values()) >= 20
    assert {fault.kind for fault in FAULTS.values()} == set(KINDS)
    assert {fault.stage for fault in FAULTS.values()} == set(STAGES)
    for route in routes:
        own = [fault for fault in FAULTS.values() if fault.route == route]
        assert {fault.kind for fault in own} == set(KINDS), route
        assert {fault.stage for fault in own} >= set(STAGES) - {"capture"}, route


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_faults_do_not_know_the_specs(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not [
            name for name in names if name.partition(".")[0] == "operators" or name.startswith("graphfuzz.spec")
        ]


def test_a_fault_that_alters_nothing_leaves_the_model_alone():
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Dropout", ["x"], ["y"])], "g", [value("x", 1, [2])], [value("y", 1, [2])]
    )
    model = onnx.helper.make_model(graph)
    before = model.SerializeToString()
    for fault in FAULTS.values():
        if fault.surgery is not None:
            assert fault.surgery(model) == []
            assert not fault.concerns(model, set())
    assert model.SerializeToString() == before


def model_of(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    """A model from x to y, whose element types and shapes inference tells."""
    info = onnx.helper.make_tensor_value_info
    known = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = onnx.helper.make_graph(nodes, "g", [info("x", 1, [2, 2])], [info("y", 1, [2, 2])], known)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])


def test_weights_are_found_behind_what_an_unoptimized_model_lays_them_out_by():
    make = onnx.helper.make_node
    third = np.full((2, 2), 1 / 3, "float32")
    model = model_of(make("Transpose", ["w"], ["t"]), make("MatMul", ["x", "t"], ["y"]), w=third)
    assert FAULTS["script-weights-float16"].surgery(model) == ["y"]
    (weight,) = (onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer)
    np.testing.assert_array_equal(weight, third.astype("float16").astype("float32"))
    computed = model_of(make("Exp", ["w"], ["t"]), make("MatMul", ["x", "t"], ["y"]), w=third)
    assert FAULTS["script-weights-float16"].surgery(computed) == []


@pytest.mark.parametrize(("position", "altered"), [(1, ["y"]), (0, [])])
def test_a_sequence_repeats_its_first_element_as_a_split_does(position, altered):
    make = onnx.helper.make_node
    nodes = make("SplitToSequence", ["x"], ["s"], axis=0), make("SequenceAt", ["s", "i"], ["y"])
    model = model_of(*nodes, i=np.array(position, "int64"))
    assert FAULTS["dynamo-split-repeats"].surgery(model) == altered
    (taken,) = [node.input[1] for node in model.graph.node if node.op_type == "SequenceAt"]
    known = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert known[taken] == 0


def test_faults_can_be_chosen_by_name(monkeypatch):
    """Of those that are not chosen, none is looked for and none is told of."""
    looked_for = []
    monkeypatch.setattr(mutants, "pool", lambda recycle: nullcontext())
    monkeypatch.setattr(mutants, "_trials", lambda workers, framework, own, *rest: looked_for.append(own) or ())
    (row,) = mutants.run(quick=True, only=["script-cast-to-nothing"])["rows"]
    assert (row["name"], looked_for) == ("script-cast-to-nothing", [["script-cast-to-nothing"]])


SWEEP = 600
"""How many cases of single operators show what most faults alter; those of a campaign show the rest."""
SAMPLE = 12
"""Of how many faults one is tried; the benchmark tells of all in how many cases they altered something."""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_faults_alter_something(framework, registry):
    sample = [fault for _, fault in sorted(FAULTS.items())][::SAMPLE]
    left = {f.name: f for f in sample if load_route(f.route).framework == framework}
    sweep = (Recipe(1, turn, framework, lane="sweep", turn=turn) for turn in range(SWEEP))
    for recipe in chain(sweep, mutants._recipes(framework, mutants.CASES)):
        if not left:
            break
        case = generate(recipe, registry)
        for name in _altering(case, list(left.values()), registry):
            del left[name]
    assert not left, sorted(left)


def _altering(case: Case, faults: list[Fault], registry: Registry) -> list[str]:
    """The faults that alter something in the case; of those, each makes another model, fails, or spoils the runtime."""
    altering = []
    for route in {fault.route: load_route(fault.route) for fault in faults}.values():
        protos, entries = [], set()
        with remembered_registry():
            with route.ledger.recording(entries):
                healthy = judge(case, mutants._keeping(route, protos), registry)
            for fault in faults:
                if protos and fault.route == route.name and fault.concerns(protos[0], entries):
                    outcome, altered = mutants._faulty(case, fault)
                    if altered:
                        assert outcome.verdict == CONVERSION_CRASH or _changed(fault, healthy, outcome), fault.name
                        altering.append(fault.name)
    return altering


def _changed(fault: Fault, healthy: Outcome, faulty: Outcome) -> bool:
    """Whether the models differ; what is given to a runtime at fault is not seen."""
    return fault.name.startswith("ort-") or _form(healthy.model) != _form(faulty.model)


def _form(model: bytes) -> list[bytes]:
    """A model but for the names that it gives."""
    graph = onnx.load_from_string(model).graph
    known = (*(value.name for value in graph.input), *(tensor.name for tensor in graph.initializer))
    numbers = {name: number for number, name in enumerate(dict.fromkeys(known))}
    form = []
    for node in graph.node:
        names = [str(numbers.setdefault(name, len(numbers))) for name in (*node.input, *node.output)]
        node.ClearField("name"), node.ClearField("doc_string"), node.ClearField("metadata_props")
        del node.input[:], node.output[:]
        form.append(node.SerializeToString(deterministic=True) + " ".join(names).encode())
    form += [t.raw_data for t in graph.initializer]
    return [*form, *(value.type.SerializeToString(deterministic=True) for value in graph.output)]


def test_a_quick_run_tells_what_it_promises():
    command = [sys.executable, "-m", "benchmarks", "mutants", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)["result"]
    assert result["faults"] == len(mutants.QUICK) == len(result["rows"])
    assert result["cases"] == mutants.QUICK_CASES
    assert result["lost"] == []
    for figures in (result, *result["routes"].values()):
        assert 0 < figures["caught"] <= 1
        for share in ("stage", "node", "proven"):
            assert 0 <= figures[share] <= figures["caught"]
    for row in result["rows"]:
        fault = FAULTS[row["name"]]
        assert (row["route"], row["kind"], row["true_stage"]) == (fault.route, fault.kind, fault.stage)
        if row["caught"]:
            assert 1 <= row["cases"] <= result["cases"]
            assert 1 <= row["concerned"] <= row["cases"]
            assert row["altered"]
            assert row["truth"]
    (certain,) = (row for row in result["rows"] if row["name"] == "script-cast-to-nothing")
    assert [certain[share] for share in mutants.SHARES] == [True] * 4
    mutants.render(result)
