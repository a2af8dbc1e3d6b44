"""A foreign program as a case of our operators, each proven to be what it stands for.

A proposal is taken where capturing it makes the very call that it stands for (it is *written alike*), or, failing that,
where both make the same of the recorded operands and of others. So a wrong guess costs time and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import networkx as nx
import numpy as np

from graphfuzz.conformance.frameworks import allowance
from graphfuzz.errors import UsageError
from graphfuzz.generator.bindings import value_like
from graphfuzz.graph import Array, Case, Graph, Node, Value, validate
from graphfuzz.interchange.examples import Table, captured, same_array
from graphfuzz.interchange.program import Call, Program, family
from graphfuzz.interchange.proposals import Proposal, proposals
from graphfuzz.interchange.reader import Reader
from graphfuzz.materializer import build, run, source
from graphfuzz.spec.registry import Registry

TRIED = 160
"""How many proposals are run for a call, at most."""
DRAWS = 3
"""On how many other operands a proposal that is not written alike must agree."""


class Unknown(msgspec.Struct, frozen=True):
    """A foreign operator of which some uses are none of ours: how many, and why."""

    target: str
    count: int
    reason: str


class Translation(msgspec.Struct, frozen=True, eq=False):
    """What became of a program. case: None where nothing is known. calls: how many the program has; known: how many of
    these our operators are; alike: how many of those are written alike; taken: how many the case has. told: as the
    program has it."""

    case: Case | None
    calls: int
    known: int
    alike: int
    taken: int
    unknown: tuple[Unknown, ...]
    told: tuple[str, ...] = ()


class _Found(msgspec.Struct, frozen=True, eq=False):
    call: Call
    uses: tuple[Proposal, ...]
    alike: bool


def translated(program: Program, table: Table, registry: Registry, reader: Reader, partial: bool) -> Translation:
    """The program as a case; where some call is unknown, its largest connected part that is known, if `partial`.

    What an unknown call makes is then an input, with the value recorded. Raises UsageError where the case as a whole
    does not make what the program made.
    """
    needed = {name for call in program.calls for name in call.operands} | set(program.outputs)
    found, unknown = list[_Found](), Counter[tuple[str, str]]()
    for call in program.calls:
        matched, reason = _matched(call, needed, program, table, registry, reader)
        if matched is None:
            unknown[call.target, reason] += 1
        else:
            found.append(matched)
    complaints = tuple(Unknown(target, count, reason) for (target, reason), count in unknown.most_common())
    chosen = found if not unknown else _largest_part(found, program) if partial else []
    case = _case(chosen, program, registry, reader) if chosen else None
    alike = sum(one.alike for one in found)
    return Translation(case, len(program.calls), len(found), alike, len(chosen), complaints, program.told)


def _matched(
    call: Call, needed: set[str], program: Program, table: Table, registry: Registry, reader: Reader
) -> tuple[_Found | None, str]:
    """The uses that together make all outputs of a call that anything needs, or why there are none."""
    if not program.values.keys() >= set(call.operands):
        return None, "what it takes is not known"
    wanted = {i for i, name in enumerate(call.outputs) if name in needed}
    left, taken, uses, tried = set(wanted), list[Proposal](), list[bool](), 0
    for proposal in proposals(call, program, table, registry, reader.framework):
        if not left & set(proposal.made):
            continue
        if tried == TRIED:
            break
        tried += 1
        alike = _confirmed(proposal, call, program, registry, reader)
        if alike is not None:
            if wanted <= set(proposal.made):
                return _Found(call, (proposal,), alike), ""
            taken.append(proposal)
            uses.append(alike)
            left -= set(proposal.made)
        if not left:
            return _Found(call, tuple(taken), all(uses)), ""
    writers = len(table.get(family(call.target), {}))
    if not writers:
        return None, "no operator is written as it alone"
    fits = f"{tried} uses fit, none makes the same" if tried else "none for these types and arguments"
    return None, f"{writers} operators are written as it, {fits}"


def _confirmed(proposal: Proposal, call: Call, program: Program, registry: Registry, reader: Reader) -> bool | None:
    """Whether a proposal is written alike; None where it does not even make the same."""
    case = _single(proposal, program, registry, reader.framework)
    wanted = [program.values[call.outputs[place]] for place in proposal.made]
    try:
        model = build(source(case.graph, registry, case.framework), case.framework, case.weights())
        if not _agree(run(model, case.framework, case.inputs()), wanted, case):
            return None
        if _is_captured_alike(case, proposal, call, program, registry, reader):
            return True
        return False if _same_elsewhere(case, model, proposal, call, program, reader) else None
    except Exception:  # noqa: BLE001 - a framework refuses in whatever class it likes
        return None


def _is_captured_alike(
    case: Case, proposal: Proposal, call: Call, program: Program, registry: Registry, reader: Reader
) -> bool:
    """Whether our use can be captured and makes the very call."""
    try:
        return _is_alike(captured(case, reader, registry), proposal, call, program, case)
    except Exception:  # noqa: BLE001 - as above; what cannot be captured may be right all the same
        return False


def _single(proposal: Proposal, program: Program, registry: Registry, framework: str) -> Case:
    """The case of one use on the recorded operands."""
    maker = _Maker(program, registry, framework)
    maker.add(proposal, [f"v{i}" for i in range(len(proposal.types))])
    return maker.case([f"v{i}" for i in range(len(proposal.types))])


def _is_alike(ours: Program, proposal: Proposal, call: Call, program: Program, case: Case) -> bool:
    """Whether our use makes the very call: data by its place, weights and constants by their values."""
    if len(ours.calls) != 1 or (ours.calls[0].target, ours.calls[0].arguments) != (call.target, call.arguments):
        return False
    (made,) = ours.calls
    if [made.outputs.index(name) for name in ours.outputs] != list(proposal.made):
        return False
    data = dict(zip(ours.inputs, case.graph.inputs, strict=True))
    names = dict(zip(case.graph.nodes[0].inputs, proposal.operands, strict=True))
    for mine, theirs in zip(made.operands, call.operands, strict=True):
        same = (
            names[data[mine].name] == theirs
            if mine in data
            else same_array(ours.values.get(mine), program.values.get(theirs))
        )
        if not same or (mine not in data and theirs not in program.weights):
            return False
    return True


def _same_elsewhere(case: Case, model: Any, proposal: Proposal, call: Call, program: Program, reader: Reader) -> bool:
    """Whether our use and the call make the same of other data, too; weights stay."""
    rng = np.random.default_rng(DRAWS)
    names = dict(zip(map(str, proposal.operands), case.graph.nodes[0].inputs, strict=True))
    for _ in range(DRAWS):
        drawn = {v.name: value_like(case.tensors[v.name], v, rng) for v in case.graph.inputs}
        theirs = [drawn.get(names.get(name, ""), program.values[name]) for name in call.operands]
        wanted = reader.run(call, theirs)
        if not _agree(run(model, case.framework, drawn), [wanted[place] for place in proposal.made], case):
            return False
    return True


def _agree(made: Sequence[Array], wanted: Sequence[Array], case: Case) -> bool:
    """Whether arrays are the same but for what rounding explains."""
    given = list(case.tensors.values())
    return len(made) == len(wanted) and all(_near(a, b, given) for a, b in zip(made, wanted, strict=True))


def _near(made: Array, wanted: Array, given: Sequence[Array]) -> bool:
    if same_array(made, wanted):
        return True
    if made.dtype != wanted.dtype or made.shape != wanted.shape or made.dtype.kind in "biu":
        return False
    wide = "complex128" if made.dtype.kind == "c" else "float64"
    with np.errstate(invalid="ignore"):
        gap = np.abs(made.astype(wide) - wanted.astype(wide))
        same = (made == wanted) | (np.isnan(made) & np.isnan(wanted))
        return bool(np.all(same | (np.isfinite(gap) & (gap <= allowance(wanted, given)))))


def _largest_part(found: Sequence[_Found], program: Program) -> list[_Found]:
    """The known calls that hang together by what they make of each other, as many as possible."""
    net = nx.Graph()
    makers = {name: i for i, one in enumerate(found) for name in one.call.outputs}
    for i, one in enumerate(found):
        net.add_node(i)
        net.add_edges_from((i, makers[name]) for name in one.call.operands if name in makers)
    part: set[int] = max(nx.connected_components(net), key=len, default=set())
    return [one for i, one in enumerate(found) if i in part]


def _case(chosen: Sequence[_Found], program: Program, registry: Registry, reader: Reader) -> Case:
    """The case of these calls, checked as a whole. Raises UsageError."""
    maker = _Maker(program, registry, reader.framework)
    used = {operand for one in chosen for use in one.uses for operand in use.operands if isinstance(operand, str)}
    for name in program.inputs:
        if name in used:
            maker.operand(name)
    for one in chosen:
        for use in one.uses:
            maker.add(use, [f"v{maker.count + i}" for i in range(len(use.types))], one.call)
    inside = {id(one.call) for one in chosen}
    outside = [name for call in program.calls if id(call) not in inside for name in call.operands]
    wanted = [maker.names[name] for name in (*program.outputs, *outside) if name in maker.made]
    case = maker.case(list(dict.fromkeys(wanted)))
    validate(case.graph, registry, case.framework)
    everything = msgspec.structs.replace(
        case, graph=msgspec.structs.replace(case.graph, outputs=tuple(v for v in maker.recorded))
    )
    model = build(source(everything.graph, registry, case.framework), case.framework, case.weights())
    made = run(model, case.framework, case.inputs())
    for (name, array), ours in zip(maker.recorded.items(), made, strict=True):
        if not _agree([ours], [array], everything):
            raise UsageError(f"the model's operators are known, but together they make another {name}")
    return case


class _Maker:
    """Makes a graph of proposals, with canonical names."""

    def __init__(self, program: Program, registry: Registry, framework: str) -> None:
        self.program, self.registry, self.framework = program, registry, framework
        self.names: dict[str, str] = {}
        """Ours, of the program's."""
        self.inputs: list[Value] = []
        self.weights: list[Value] = []
        self.nodes: list[Node] = []
        self.tensors: dict[str, Array] = {}
        self.made: set[str] = set()
        self.recorded: dict[str, Array] = {}
        self.count = 0

    def add(self, use: Proposal, outputs: Sequence[str], call: Call | None = None) -> None:
        """Add a use whose outputs get these names; those of a call are known by the call's from now on."""
        operands = tuple(self.operand(operand) for operand in use.operands)
        typed = zip(outputs, use.types, strict=True)
        values = tuple(Value(name, t.dtype, tuple(t.shape)) for name, t in typed)  # type: ignore[arg-type]
        self.nodes.append(Node(use.operator, operands, use.attrs, values))
        self.count += len(outputs)
        for place, name in zip(use.made, outputs, strict=True):
            theirs = call.outputs[place] if call else ""
            if call and theirs not in self.made:
                self.names[theirs] = name
                self.made.add(theirs)
                self.recorded[name] = self.program.values[theirs]

    def case(self, outputs: Sequence[str]) -> Case:
        """The case that returns these."""
        graph = Graph(tuple(self.inputs), tuple(self.weights), tuple(self.nodes), tuple(outputs))
        return Case(graph, self.framework, self.tensors)

    def operand(self, operand: str | Array) -> str:
        """Our name of an operand; what is not known yet becomes a leaf."""
        if isinstance(operand, str):
            if operand not in self.names:
                is_weight = operand in self.program.weights
                self.names[operand] = self._leaf(self.program.values[operand], is_weight)
            return self.names[operand]
        return self._leaf(operand, True)

    def _leaf(self, array: Array, is_weight: bool) -> str:
        leaves = self.weights if is_weight else self.inputs
        name = f"{'w' if is_weight else 'x'}{len(leaves)}"
        leaves.append(Value(name, str(array.dtype), array.shape))
        self.tensors[name] = array
        return name
