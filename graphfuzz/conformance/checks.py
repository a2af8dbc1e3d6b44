"""What every operator of every pack has to fulfill, as functions that a test or a benchmark calls.

A check takes an operator, a framework and how many random single-operator cases to try a dtype binding, and returns the
failures as text. A case is named by its key, from which it can be made again: the failure texts carry it.
"""

from __future__ import annotations

import itertools
import pickle
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from graphfuzz.conformance.uses import Types, Use, decision, near_misses, symbolic_decision, valid_use
from graphfuzz.generator import Exhausted, single_operator_case
from graphfuzz.graph import Array, Case, Graph, Node, Value, WrongReference, evaluate, text
from graphfuzz.materializer import build, run, run_captured, source
from graphfuzz.spec import Operator, Registry, Tensor
from graphfuzz.spec.dims import evaluate as value_of
from graphfuzz.spec.dtypes import epsilon, is_complex, is_float
from graphfuzz.spec.inference import parameters_of
from graphfuzz.spec.operator import FRAMEWORKS, Defect

CASES: Mapping[str, int] = {"torch": 10, "keras": 6}
"""Cases for each dtype binding: building a Keras model is the dear part."""
NEAR_MISSES: Mapping[str, int] = {"torch": 10, "keras": 4}
"""Valid uses an operator that are disturbed in each of their sizes."""
MAX_BINDINGS = 12
"""The most dtype bindings tried for one operator; of more, a fixed sample."""
EMPTY_EVERY = 5
"""Of how many cases one may have empty axes, where the operator allows them."""
DEFECT_TRIALS = 30
"""In how many cases of each dtype binding a framework's defect is looked for, until it shows."""
FATAL_TRIALS = 3
"""In how many processes a defect is looked for that takes its process down."""
SLACK = 16
"""How many roundings, of the least precise format involved, an output may be off."""


def bindings(op: Operator, framework: str, most: int = MAX_BINDINGS) -> list[dict[str, str]]:
    """The dtypes that the operator's variables may have in a framework: all, or a fixed sample of `most`.

    The sample has every dtype of every variable, if `most` is no smaller than their number.
    """
    limits = op.emissions[framework].dtypes
    choices = [limits.get(variable, dtypes) for variable, dtypes in op.variables.items()]
    combinations = list(itertools.product(*choices))
    if len(combinations) > most:
        rng = random.Random(op.name)
        mixed = [rng.sample(names, len(names)) for names in choices]
        covering = [tuple(names[i % len(names)] for names in mixed) for i in range(max(map(len, mixed)))]
        others = [c for c in rng.sample(combinations, len(combinations)) if c not in covering]
        combinations = (covering + others)[:most]
    return [dict(zip(op.variables, combination, strict=True)) for combination in combinations]


def keys(op: Operator, framework: str, count: int, most: int = MAX_BINDINGS) -> Iterator[str]:
    """The names of `count` cases for each dtype binding."""
    for bound in bindings(op, framework, most):
        yield from (f"{_binding_key(op, framework, bound)}/{i}" for i in range(count))


def _binding_key(op: Operator, framework: str, bound: Mapping[str, str]) -> str:
    return f"{op.name}/{framework}/" + ",".join(f"{variable}={dtype}" for variable, dtype in bound.items())


def case_at(key: str, registry: Registry) -> Case:
    """The case with this key. Raises Exhausted where the generator finds none, WrongReference where rule and reference
    make different shapes."""
    name, framework, dtypes, number = key.split("/")
    op = registry[name]
    favored = 0 if op.empty and int(number) % EMPTY_EVERY == 1 else None
    bound = dict(pair.split("=") for pair in dtypes.split(",") if pair)
    try:
        return single_operator_case(op, framework, random.Random(key), bound, favored=favored)
    except WrongReference as error:
        error.add_note(f"case_at({key!r})")
        raise


def cases(
    op: Operator, framework: str, count: int, registry: Registry, most: int = MAX_BINDINGS
) -> Iterator[tuple[str, Case]]:
    """The cases that the generator finds, with their keys."""
    for key in keys(op, framework, count, most):
        try:
            yield key, case_at(key, registry)
        except Exhausted:
            continue


Found = Sequence[tuple[str, Case]]
"""Cases with their keys."""


class Examination(msgspec.Struct, frozen=True):
    """What examining one operator in one framework came to.

    bindings: how many dtype bindings were tried. cases: how many cases the framework ran. near_misses: how many valid
    uses were disturbed in each size. failures: everything that does not fit, as text.
    """

    operator: str
    framework: str
    bindings: int
    cases: int
    near_misses: int
    failures: tuple[str, ...]


def examine(op: Operator, framework: str, registry: Registry, count: int, near: int, most: int) -> Examination:
    """Every check: `count` cases for each of at most `most` dtype bindings, `near` of them disturbed.

    A wrong reference ends the examination of its operator, and is its failure.
    """
    tried = bindings(op, framework, most)
    try:
        found = list(cases(op, framework, count, registry, most))
        some = random.Random(op.name).sample(found, min(near, len(found)))
        failures = [
            *missed(op, framework, tried, found),
            *framework_differences(op, framework, found, registry),
            *interpreter_differences(op, framework, some),
            *near_miss_differences(op, some, registry),
            *defect_failures(op, framework),
        ]
    except WrongReference as error:
        return Examination(op.name, framework, len(tried), 0, 0, (" ".join([str(error), *error.__notes__]),))
    return Examination(op.name, framework, len(tried), len(found), len(some), tuple(failures))


def unreached(op: Operator, framework: str, count: int, registry: Registry) -> list[str]:
    """The dtype bindings for which not one case is found: a declaration that promises too much."""
    return missed(op, framework, bindings(op, framework), list(cases(op, framework, count, registry)))


def missed(op: Operator, framework: str, tried: Sequence[Mapping[str, str]], found: Found) -> list[str]:
    """The dtype bindings of which no case was found: a declaration that promises too much."""
    reached = {key.rpartition("/")[0] for key, _ in found}
    lost = {_binding_key(op, framework, bound) for bound in tried} - reached
    return sorted(key for key in lost if not _is_taken_by_defects(op, framework, key))


def _is_taken_by_defects(op: Operator, framework: str, binding: str) -> bool:
    """Whether a dtype binding would have cases, were the framework right: its defects may take a whole dtype away."""
    intact = without_defects(op)
    tries = range(EMPTY_EVERY) if op.emissions[framework].defects else ()
    return any(_exists(f"{binding}/{i}", Registry([intact])) for i in tries)


def _exists(key: str, registry: Registry) -> bool:
    try:
        case_at(key, registry)
    except Exhausted:
        return False
    return True


def _failure(key: str, graph: Graph, problem: str) -> str:
    return f"{problem}; case_at({key!r}): {'; '.join(text(graph).splitlines())}"


# Frameworks against reference


def framework_failures(op: Operator, framework: str, count: int, registry: Registry) -> list[str]:
    """Where the framework, really run, differs from the reference in dtype, shape or value."""
    return framework_differences(op, framework, list(cases(op, framework, count, registry)), registry)


def framework_differences(op: Operator, framework: str, found: Found, registry: Registry) -> list[str]:
    """Where the framework, really run on these cases, refuses one or differs from the reference."""
    seen: set[str] = set()
    failures = []
    for key, case in found:
        binding = key.rpartition("/")[0]
        ways = [run] if framework == "torch" or binding in seen else [run, run_captured]
        seen.add(binding)
        problem = _framework_problem(op, framework, case, registry, ways)
        if problem:
            failures.append(_failure(key, case.graph, problem))
    return failures


def _framework_problem(
    op: Operator, framework: str, case: Case, registry: Registry, ways: Sequence[Callable[..., list[Array]]]
) -> str | None:
    """What is wrong with the framework's result, run in each of these ways: eagerly, captured.

    What it warns of (a softmax of one element, a grid of one point) a random use may well have.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = build(source(case.graph, registry, framework), framework, case.weights())
            results = [way(model, framework, case.inputs()) for way in ways]
    except Exception as error:  # noqa: BLE001 - a framework refuses in whatever class it likes
        return f"{framework} refuses it: {_said(error)}"
    problems = [_symbolic_difference(model, case.graph) if framework == "keras" else None]
    problems += [difference(op, case, made, registry) for made in results]
    return next((problem for problem in problems if problem), None)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _symbolic_difference(model: Any, graph: Graph) -> str | None:
    """Where Keras's own inference, on which the rest of a model builds, says another type than the rule."""
    for tensor, value in zip(model.outputs, graph.nodes[0].outputs, strict=True):
        if (tensor.dtype, tuple(tensor.shape)) != (value.dtype, value.shape):
            return f"Keras infers {tensor.dtype}{list(tensor.shape)} for {value}"
    return None


def difference(op: Operator, case: Case, made: Sequence[Array], registry: Registry) -> str | None:
    """How a framework's outputs differ from the reference's, or None."""
    known = evaluate(case.graph, case.tensors, registry)
    (node,) = case.graph.nodes
    if len(made) != len(node.outputs):
        return f"{len(made)} outputs, not {len(node.outputs)}"
    for value, actual in zip(node.outputs, made, strict=True):
        if (str(actual.dtype), actual.shape) != (value.dtype, value.shape):
            return f"made {actual.dtype}{list(actual.shape)} for {value}"
        problem = _value_difference(actual, known[value.name], list(case.tensors.values())) if op.compared else None
        if problem:
            return problem
    return None


def _value_difference(actual: Array, expected: Array, given: Sequence[Array]) -> str | None:
    if not _is_rounded(str(expected.dtype)):
        wrong = actual != expected
    else:
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        with np.errstate(invalid="ignore"):
            gap = np.abs(_widest(actual) - _widest(expected))
        wrong = ~same & ~(gap <= allowance(expected, given))
    if not np.any(wrong):
        return None
    worst = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{np.sum(wrong)} of {wrong.size} values differ, {worst}: {actual[worst]!r}, reference {expected[worst]!r}"


def _is_rounded(dtype: str) -> bool:
    return is_float(dtype) or is_complex(dtype)


def _widest(array: Array) -> Array:
    return array.astype("complex128" if is_complex(str(array.dtype)) else "float64")


def allowance(expected: Array, given: Sequence[Array]) -> Array:
    """The difference that rounding explains, for each element of an output.

    SLACK roundings of the element itself, of the largest output (for sums that cancel), and of one (for kernels such as
    TensorFlow's elu that take a one away again), in the least precise float format involved.
    """
    formats = [str(a.dtype) for a in (expected, *given) if _is_rounded(str(a.dtype))]
    coarsest = max(epsilon(dtype) for dtype in formats)
    magnitude = np.abs(_widest(expected))
    return np.asarray(SLACK * coarsest * (magnitude + np.max(magnitude, initial=0.0) + 1.0))


# The rule's two interpreters


def interpreter_failures(op: Operator, framework: str, count: int, registry: Registry) -> list[str]:
    """Where the rule decides otherwise on sizes than on symbols that stand for them, on valid uses and near misses."""
    return interpreter_differences(op, framework, list(cases(op, framework, count, registry)))


def interpreter_differences(op: Operator, framework: str, found: Found) -> list[str]:
    """The same on these cases."""
    failures = []
    for key, case in found:
        valid = valid_use(case)
        for use in (valid, *near_misses(op, valid)):
            on_sizes = decision(op, framework, use)
            on_symbols = symbolic_decision(op, framework, use)
            if on_sizes != on_symbols:
                failures.append(_failure(key, case.graph, f"{use.what}: {on_sizes} on sizes, {on_symbols} on symbols"))
    return failures


# Near misses


def near_miss_failures(op: Operator, framework: str, count: int, registry: Registry) -> list[str]:
    """Where the rule and the frameworks disagree on a valid use disturbed in one size.

    What the rule accepts, the framework must run, with the inferred types; what it refuses, some framework must refuse:
    a rule is common to all of them, so it is as strict as the strictest.
    """
    found = list(cases(op, framework, count, registry))
    return near_miss_differences(op, random.Random(op.name).sample(found, min(count, len(found))), registry)


def near_miss_differences(op: Operator, found: Found, registry: Registry) -> list[str]:
    """The same on these cases."""
    failures = []
    for key, case in found:
        for use in near_misses(op, valid_use(case)):
            problem = near_miss_problem(op, case, use, registry)
            if problem:
                failures.append(_failure(key, case.graph, f"{use.what}: {problem}"))
    return failures


def near_miss_problem(op: Operator, case: Case, use: Use, registry: Registry) -> str | None:
    """How the rule and the frameworks disagree on one use, or None."""
    decided = decision(op, case.framework, use)
    if decided is None and decision(without_defects(op), case.framework, use) is not None:
        return None
    disturbed = disturbed_case(op, case, use, decided)
    first = attempt(disturbed, case.framework, registry)
    if decided is not None:
        return None if first == decided else f"the rule infers {decided}, {case.framework} says {first}"
    others = [f for f in FRAMEWORKS if f != case.framework and f in op.emissions]
    if is_refusal(first, op) or any(is_refusal(attempt(disturbed, f, registry), op) for f in others):
        return None
    return f"the rule refuses it, {case.framework} makes {first}"


def is_refusal(made: Types | str, op: Operator) -> bool:
    """Whether an attempt failed, or made an empty tensor where the operator declares none."""
    return isinstance(made, str) or (not op.empty and any(0 in shape for _, shape in made))


def disturbed_case(op: Operator, case: Case, use: Use, decided: Types | None) -> Case:
    """The case with the use's sizes; its values are repeated (or cut) to fill them, and kept in their bounds."""
    (node,) = case.graph.nodes
    shapes: dict[str, tuple[int, ...]] = {}
    arrays = dict(case.tensors)
    parameters = parameters_of(op, len(node.inputs))
    named: dict[str, Tensor] = {}
    for parameter, tensor in zip(parameters, use.operands, strict=True):
        named.setdefault(parameter.name, tensor)
    for parameter, name, tensor in zip(parameters, node.inputs, use.operands, strict=True):
        shapes[name] = tuple(value_of(s, {}) for s in tensor.shape)
        arrays[name] = np.resize(arrays[name], shapes[name])
        if callable(parameter.domain) and decided is not None:
            low, high = parameter.domain(**named, **use.attrs)
            arrays[name] = np.clip(arrays[name], low, high).astype(arrays[name].dtype)

    def resized(values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(Value(v.name, v.dtype, shapes[v.name]) for v in values)

    types = decided or [(v.dtype, v.shape) for v in node.outputs]
    outputs = tuple(Value(f"v{i}", dtype, shape) for i, (dtype, shape) in enumerate(types))
    nodes = (Node(node.op, node.inputs, use.attrs, outputs),)
    graph = Graph(resized(case.graph.inputs), resized(case.graph.weights), nodes, tuple(v.name for v in outputs))
    return Case(graph, case.framework, arrays)


def attempt(case: Case, framework: str, registry: Registry) -> Types | str:
    """What the framework makes of a case, or how it refuses it."""
    written = source(case.graph, registry, framework)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = run(build(written, framework, case.weights()), framework, case.inputs())
    except Exception as error:  # noqa: BLE001 - a framework refuses in whatever class it likes
        return _said(error)
    return [(str(a.dtype), a.shape) for a in made]


# A framework's own defects


def without_defects(op: Operator) -> Operator:
    """The operator as it would be were every framework right."""
    emissions = {f: msgspec.structs.replace(e, defects=()) for f, e in op.emissions.items()}
    return msgspec.structs.replace(op, emissions=emissions)


def defect_failures(op: Operator, framework: str) -> list[str]:
    """The defects said to be the framework's that show in no case tried: lift them."""
    found = []
    for defect in op.emissions[framework].defects:
        hit = msgspec.structs.replace(without_defects(op), rule=_only(op.rule, defect))
        registry = Registry([hit])
        uses = cases(hit, framework, DEFECT_TRIALS, registry)
        if defect.fatal:
            few = itertools.islice(uses, FATAL_TRIALS)
            shows = any(_is_wrong_elsewhere(hit, case, registry) for _, case in few)
        else:
            shows = any(framework_differences(hit, framework, [use], registry) for use in uses)
        if not shows:
            found.append(f"{op.name}: {framework} shows no sign of this any more: {defect.what} ({defect.source})")
    return found


def _is_wrong_elsewhere(op: Operator, case: Case, registry: Registry) -> bool:
    """Whether a process of its own does not survive running the source, or makes another result than the reference."""
    written = source(case.graph, registry, case.framework)
    given = pickle.dumps((written, case.framework, case.weights(), case.inputs()))
    ended = subprocess.run([sys.executable, "-c", _RUN_SOURCE], input=given, capture_output=True)
    return ended.returncode != 0 or difference(op, case, pickle.loads(ended.stdout), registry) is not None


_RUN_SOURCE = """
import os, pickle, sys
import ml_dtypes
from graphfuzz.materializer import build, run
answer = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
source, framework, weights, inputs = pickle.load(sys.stdin.buffer)
answer.write(pickle.dumps(run(build(source, framework, weights), framework, inputs)))
"""


def _only(rule: Callable[..., Any], defect: Defect) -> Callable[..., Any]:
    def limited(require: Any, *operands: Tensor, **attrs: Any) -> Any:
        shapes = rule(require, *operands, **attrs)
        require(defect.when(*operands, **attrs), "the defect shows")
        return shapes

    return limited
