"""Repairs found by trying, each on a model in which one thing is wrong; and what proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.shape_inference import InferenceError

from graphfuzz.graph import Array, Case, Graph
from graphfuzz.oracle.attribution import SILENT, SOUND, Attribution, Examiner, attribute
from graphfuzz.oracle.attribution import evidence as words
from graphfuzz.oracle.attribution.ground import OTHERS, Ground
from graphfuzz.oracle.attribution.repair import KINDS
from graphfuzz.oracle.attribution.rules import AgainstRules, require_rules
from graphfuzz.oracle.attribution.variants import larger
from graphfuzz.oracle.execution import run_reference
from graphfuzz.oracle.judge import judge
from graphfuzz.oracle.route import Route, load_route
from graphfuzz.oracle.tolerance import Tolerance
from graphfuzz.spec import Registry, unary
from tests.examples import case_of, node, value
from tests.oracle.attribution.test_planted_faults import SCRIPT, TENSORFLOW, changing, to_sigmoid
from tests.oracle.test_routes import chain

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

X = np.linspace(-2, 2, 8, dtype="float32")


def examined(case: Case, change: Callable[[Any], None], registry: Registry, name: str = SCRIPT) -> Examiner:
    route = changing(load_route(name), change)
    outcome = judge(case, route, registry)
    assert outcome.is_finding, outcome.summary() + outcome.traceback
    return Examiner(case, outcome, route, registry, Tolerance())


def mended(examiner: Examiner, node: str) -> dict[str, str]:
    """What mends the model, by the kind of repair."""
    heard = {kind: examiner.ask(words.repair(kind, node)) for kind in KINDS}
    return {kind: witness.detail for kind, witness in heard.items() if witness.said == SOUND}


def single(op: str, x: Array | None = None, **attrs: Any) -> Case:
    """One operator on one input, with a result of its shape."""
    array = np.linspace(-2, 2, 6, dtype="float32").reshape(2, 3) if x is None else x
    given, made = value("x0", str(array.dtype), array.shape), value("v0", str(array.dtype), array.shape)
    return Case(Graph((given,), (), (node(op, "x0", made, **attrs),), ("v0",)), "torch", {"x0": array})


def ending(op_type: str, *operands: str) -> Callable[[Any], None]:
    """A node more before the model's output; "y" among its operands is what was the output."""

    def change(model: Any) -> None:
        name = model.graph.output[0].name
        last = next(made for made in model.graph.node if name in made.output)
        last.output[:] = [f"{name}.before" if made == name else made for made in last.output]
        given = [f"{name}.before" if operand == "y" else operand for operand in operands]
        model.graph.node.append(helper.make_node(op_type, given, [name]))

    return change


def test_an_attribute_that_the_source_does_not_have(registry: Registry) -> None:
    def reverse(model: Any) -> None:
        (made,) = [made for made in model.graph.node if made.op_type == "CumSum"]
        made.attribute.append(helper.make_attribute("reverse", 1))

    found = mended(examined(single("cumsum", axis=1), reverse, registry), "v0")
    assert found["attribute"] == "reverse=0 of CumSum"


def test_an_output_that_is_the_same_for_all_inputs_proves_nothing(registry: Registry) -> None:
    def of(op: str, x: Array) -> Case:
        given, made = value("x0", str(x.dtype), x.shape), value("v0", "bool", x.shape)
        return Case(Graph((given,), (), (node(op, "x0", made),), ("v0",)), "torch", {"x0": x})

    assert mended(examined(of("logical_not", X > 0), ending("Not", "y"), registry), "v0")
    assert not mended(examined(of("is_nan", X), ending("Not", "y"), registry), "v0")


def test_a_list_of_numbers_in_another_order(registry: Registry) -> None:
    def turn(model: Any) -> None:
        (made,) = [made for made in model.graph.node if made.op_type == "Transpose"]
        made.attribute[0].ints[:] = [1, 2, 0]

    x = np.arange(27, dtype="float32").reshape(3, 3, 3)
    found = mended(examined(single("transpose", x, order=(2, 1, 0)), turn, registry), "v0")
    assert found["attribute"] == "the source's order=(2, 1, 0) as perm of Transpose"


def test_another_operator(registry: Registry) -> None:
    found = mended(examined(single("tanh"), to_sigmoid, registry), "v0")
    assert found == {"sub-graph": "Tanh of Sigmoid"}


def test_a_node_that_is_too_much(registry: Registry) -> None:
    found = mended(examined(single("tanh"), ending("Neg", "y"), registry), "v0")
    assert found["input layout or order"].endswith("as output v0")
    assert found["sub-graph"].endswith(" of Neg")


def test_an_operand_that_nobody_makes(registry: Registry) -> None:
    def lose(model: Any) -> None:
        model.graph.node[0].input[0] = "nobody"

    found = mended(examined(single("tanh"), lose, registry), "v0")
    assert found == {"input layout or order": "x0 as operand 0 of Tanh"}


def test_a_value_that_is_made_twice(registry: Registry) -> None:
    def repeat(model: Any) -> None:
        model.graph.node.add().CopyFrom(model.graph.node[0])

    found = mended(examined(single("tanh"), repeat, registry), "v0")
    assert list(found) == ["sub-graph"]
    assert found["sub-graph"].endswith("made once")


def test_an_operator_from_elsewhere(registry: Registry) -> None:
    def move(model: Any) -> None:
        model.graph.node[0].domain = "elsewhere"
        model.opset_import.append(helper.make_opsetid("elsewhere", 1))

    assert mended(examined(single("tanh"), move, registry), "v0") == {"sub-graph": "Tanh of Tanh"}


def test_what_no_exchange_mends_is_not_proven(registry: Registry) -> None:
    def square(model: Any) -> None:
        (made,) = model.graph.node
        made.CopyFrom(helper.make_node("Mul", [made.input[0]] * 2, list(made.output)))

    assert mended(examined(single("tanh"), square, registry), "v0") == {}


def test_what_is_right_on_the_findings_inputs_only_is_not_proven(registry: Registry) -> None:
    """Of zeros and ones, each is its own square, which on others no operator of one operand makes of them."""

    def negate(model: Any) -> None:
        (given,), (made,) = model.graph.input, model.graph.output
        del model.graph.node[:]
        model.graph.node.append(helper.make_node("Neg", [given.name], [made.name]))

    examiner = examined(single("square", np.array([0, 1, 1, 0, 1, 0], "float32")), negate, registry)
    assert mended(examiner, "v0") == {}
    assert len(examiner.ground.others) > 1


def ground(case: Case, registry: Registry) -> Ground:
    route = load_route(SCRIPT)
    return Ground(case, judge(case, route, registry), route, registry, Tolerance())


def test_other_inputs_are_others_and_in_the_domain(registry: Registry) -> None:
    x = np.array([0.5, 3.0, 2.0], "float32")
    others = ground(single("log", x), registry).others
    assert len(others) == 4
    for case, values in others:
        assert not np.array_equal(case.tensors["x0"], x)
        assert (case.tensors["x0"] > 0).all()
        np.testing.assert_allclose(values["v0"], np.log(case.tensors["x0"]), rtol=1e-5)


def test_without_inputs_there_are_no_others(registry: Registry) -> None:
    weight, made = value("w0"), value("v0")
    case = case_of(Graph((), (weight,), (node("relu", "w0", made),), ("v0",)))
    assert ground(case, registry).others == []


def test_another_frameworks_converter(registry: Registry) -> None:
    case = msgspec.structs.replace(single("tanh"), framework="keras")
    heard = examined(case, to_sigmoid, registry, TENSORFLOW).ask(words.abroad("v0"))
    assert heard.said == SOUND
    assert heard.detail.startswith("torch-")


def test_another_framework_may_not_have_the_operator() -> None:
    op = unary("mine", ("float32",), reference=np.tanh, keras="ops.tanh({x})")
    case = msgspec.structs.replace(single("mine"), framework="keras")
    heard = examined(case, to_sigmoid, Registry([op]), TENSORFLOW).ask(words.abroad("v0"))
    assert heard.said == SILENT


def told(case: Case, route: Route, registry: Registry, verdict: str) -> Attribution:
    outcome = judge(case, route, registry)
    assert outcome.verdict == verdict, outcome.summary() + outcome.traceback
    return attribute(case, outcome, route, registry, Tolerance(), seconds=60)


def test_what_only_inference_objects_to_was_converted_wrongly(registry: Registry) -> None:
    def turn(model: Any) -> None:
        (made,) = [made for made in model.graph.node if made.op_type == "Transpose"]
        made.attribute[0].ints[:] = [0, 1]

    x, v0 = value("x0"), value("v0", shape=(3, 2))
    case = case_of(Graph((x,), (), (node("transpose", "x0", v0, order=(1, 0)),), ("v0",)))
    found = told(case, changing(load_route(SCRIPT), turn), registry, "invalid-model")
    assert (found.stage, found.node, found.proof) == ("node conversion", "v0", "attribute"), found


def test_a_model_that_gets_further_is_wrong_all_the_same(registry: Registry) -> None:
    """Where nothing declares the output's sizes, that they are wrong comes to light later."""
    declaring = [True]

    def turn(model: Any) -> None:
        ending("Transpose", "y")(model)
        if not declaring[0]:
            for axis in model.graph.output[0].type.tensor_type.shape.dim:
                axis.dim_param = "unknown"

    @contextmanager
    def undeclared() -> Iterator[None]:
        declaring[0] = False
        yield
        declaring[0] = True

    route = msgspec.structs.replace(changing(load_route(SCRIPT), turn), without={"declaring": undeclared})
    case = single("tanh")
    with undeclared():
        assert judge(case, route, registry).verdict == "wrong-output"
    found = told(case, route, registry, "invalid-model")
    assert found.stage == "node conversion", found
    assert {w.name: w.said for w in found.evidence}[words.without("declaring")] == "otherwise"


def tiling(repeats: list[int], dtype: int = TensorProto.FLOAT) -> bytes:
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["r"], ["n"]), helper.make_node("Tile", ["x", "n"], ["y"])],
        "tiling",
        [info("x", dtype, [2, 3])],
        [info("y", dtype, None)],
        [numpy_helper.from_array(np.array(repeats), "r")],
    )
    opset = helper.make_opsetid("", 18)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString())


def test_the_evaluator_is_lenient_and_the_rules_are_not() -> None:
    given = {"x": np.ones((2, 3), "float32")}
    require_rules(tiling([1, 2]), given)
    (lenient,) = run_reference(tiling([1, 1, 2]), given)
    assert lenient.shape == (1, 2, 6)
    with pytest.raises(InferenceError, match="incorrect number of values"):
        require_rules(tiling([1, 1, 2]), given)


def test_the_evaluator_is_not_given_what_the_model_does_not_declare() -> None:
    with pytest.raises(TypeError, match="declares 'x' as float64, not float32"):
        run_reference(tiling([1, 2], TensorProto.DOUBLE), {"x": np.ones((2, 3), "float32")})


def test_repairs_are_of_the_blamed_node(registry: Registry) -> None:
    """A repair is looked for in what the blamed node was converted to, and nowhere else."""
    case = chain(load_route(SCRIPT), "tanh", "relu", "exp", x=X)
    examiner = examined(case, to_sigmoid, registry)
    assert mended(examiner, "y0")["sub-graph"]
    assert mended(examiner, "y2") == {}


def of_one_node(op_type: str, *arrays: Any, **attributes: Any) -> tuple[bytes, dict[str, Array]]:
    """A model of one operator on constants and an input, and the input."""
    x, *rest = map(np.asarray, arrays)
    constants = [numpy_helper.from_array(array, f"c{i}") for i, array in enumerate(rest)]
    info = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
    made = helper.make_node(op_type, ["x", *(constant.name for constant in constants)], ["y"], **attributes)
    graph = helper.make_graph([made], "one", [info], [helper.make_empty_tensor_value_info("y")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString()), {"x": x}


F = np.ones((2, 3), "float32")


@pytest.mark.parametrize(
    ("op_type", "right", "wrong", "attributes", "told"),
    [
        ("Gather", ([1, -2],), ([0, 2],), {"axis": 0}, "index 2 of an axis of 2"),
        ("GatherElements", ([[-3, 2]],), ([[-4, 2]],), {"axis": 1}, "index -4 of an axis of 3"),
        ("GatherND", ([[1, -3]],), ([[1, 3]],), {}, "index 3 of an axis of 3"),
        ("ScatterElements", ([[0]], F[:1, :1]), ([[0]], F), {}, "updates of shape [2, 3] for indices of shape [1, 1]"),
        ("ScatterND", ([[1]], F[:1]), ([[1]], F), {}, "updates of shape [2, 3], not [1, 3]"),
        ("Reshape", ([3, -1],), ([3, 3],), {}, "6 elements as [3, 3]"),
    ],
)
def test_rules_on_values(op_type: str, right: Any, wrong: Any, attributes: dict[str, Any], told: str) -> None:
    require_rules(*of_one_node(op_type, F, *right, **attributes))
    with pytest.raises((AgainstRules, InferenceError)) as raised:
        require_rules(*of_one_node(op_type, F, *wrong, **attributes))
    assert told in str(raised.value) or isinstance(raised.value, InferenceError)


@pytest.mark.parametrize(("blocks", "keeps"), [(3, False), (5, True)])
def test_rules_where_the_evaluator_ends(blocks: int, keeps: bool) -> None:
    columns = np.ones((1, 1, blocks), "float32")
    given = of_one_node("Col2Im", columns, [1, 3], [1, 1], pads=[0, 1, 0, 1])
    if keeps:
        assert not require_rules(*given)
    else:
        with pytest.raises(AgainstRules, match="3 blocks where there are 5"):
            require_rules(*given)


def test_larger_variants(registry: Registry) -> None:
    x = np.ones((1, 1), "float32")
    case = single("transpose", x, order=(1, 0))
    grown = [variant.graph for variant in larger(case, registry)]
    assert [graph.inputs[0].shape for graph in grown] == [(2, 3)]
    assert grown[0].nodes[0].outputs[0].shape == (3, 2)
    (numbers,) = larger(single("tanh", np.float32(1).reshape(())), registry)
    assert numbers.graph.inputs[0].shape == (2, 3)


def test_on_one_element_too_much_does_the_same(registry: Registry) -> None:
    """There any operator that does nothing is as good as a transposition."""

    def to_cosine(model: Any) -> None:
        (made,) = [made for made in model.graph.node if made.op_type == "Transpose"]
        made.op_type = "Cos"
        del made.attribute[:]

    examiner = examined(single("transpose", np.ones((1, 1), "float32"), order=(1, 0)), to_cosine, registry)
    assert mended(examiner, "v0") == {"sub-graph": "Transpose of Cos"}


def test_a_node_that_gives_back_its_operand_is_mended_by_whatever_does_nothing(registry: Registry) -> None:
    """ONNX has no Ceil of integers, and Abs of those that have no sign is right everywhere, and no proof."""
    x = np.arange(6, dtype="uint8").reshape(2, 3)
    case = single("relu", x)

    def to_ceil(model: Any) -> None:
        (made,) = [made for made in model.graph.node if made.op_type == "Relu"]
        made.op_type = "Ceil"

    assert not mended(examined(case, to_ceil, registry), "v0")


def test_a_repair_holds_at_the_other_bindings(registry: Registry) -> None:
    """The size of one binding as a constant makes another one right and its own wrong."""
    examiner = examined(single("tanh"), to_sigmoid, registry)
    assert len(examiner.ground.others) == OTHERS
    bound = msgspec.structs.replace(single("tanh"), bindings=({"x0": np.ones((4, 3), "float32")},))
    examiner = examined(bound, to_sigmoid, registry)
    shapes = [other.graph.inputs[0].shape for other, _ in examiner.ground.others]
    assert shapes == [(4, 3), *[(2, 3)] * OTHERS]
    assert mended(examiner, "v0") == {"sub-graph": "Tanh of Sigmoid"}


def test_declared_shapes_count_where_no_axis_is_dynamic(registry: Registry) -> None:
    ground = examined(single("tanh"), to_sigmoid, registry).ground
    right, proto = list(ground.source.expected[0].values()), ModelProto.FromString(ground.model)
    assert ground.held(right, proto) is None
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7
    mismatch = ground.held(right, proto)
    assert mismatch is not None
    assert mismatch.what == "declared"
