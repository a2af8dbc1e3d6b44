"""Which findings are presumably one defect.

Key insight: where a converter raised, and the message without the names and numbers of this very graph, tell its
defects apart better than the graph does. What else can be seen of a defect (an objection of the checker or the runtime,
a wrong output, a death) is seen alike of many: there the operator that attribution blames speaks for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PureWindowsPath

import msgspec

from graphfuzz.graph import Graph, Node, attribute_bin, operands
from graphfuzz.oracle.attribution import Attribution
from graphfuzz.oracle.causes import complaints
from graphfuzz.oracle.verdict import CONVERSION_CRASH, HANG, PROCESS_CRASH, WRONG_OUTPUT, Outcome
from graphfuzz.spec.dtypes import is_complex, is_float, is_integer
from graphfuzz.spec.inference import parameters_of, rank_of
from graphfuzz.spec.plainness import plainer_values
from graphfuzz.spec.registry import Registry

LONGEST = 240
"""How much of a normalized message counts, in characters: the cause is said first, context and advice follow."""

_TARGET_NAME = re.compile(r"[A-Z][A-Za-z]*\d?\Z|aten(::|\.)\w|.*\bdtype\b|tensor\(\w+\)\Z")
"""Quoted words to keep: operators as ONNX or ATen write them, and types."""

_OF_THE_GRAPH = "[Caused by the value '"
"""With this PyTorch's TorchScript exporter begins to tell of the graph at hand: a value's definition, and its place."""

_OBJECTOR = re.compile(r"\(op_type:\w+")
"""Which node's types ONNX's shape inference objects to: what a wrong translation leads to, behind it or in it."""

_RULES: tuple[tuple[str, str], ...] = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"\b\w+(?: \| \w+)+\b", "<any>"),  # a set of types, in any order
    (r"<graphfuzz [0-9a-f]+>", "<source>"),  # the source model's own module
    (r"0x[0-9a-fA-F]+", "#"),
    (r"(?:[A-Za-z]:)?(?:[\\/][\w.+\-]+){2,}[\\/]?(?::\d+)?", "<path>"),
    (r"<[\w.]+ object at #>", "<object>"),
    (r"\b(on node|node name:) ?[^\s(),]+", r"\1 _"),
    (r"\btensor\(\w+\)", "tensor(_)"),
    (r"\bu?int\d+\b|\bU?Int\d*\b|\blong\b|\bLong\b", "int"),
    (r"\b[Bb]?[Ff]loat\d*\b|\b[Dd]ouble\b|\bhalf\b|\bHalf\b", "float"),
    (r"[\[({]\s*-?\d+(?:\s*[,x*]\s*-?\d+)*\s*,?\s*[\])}]", "<sizes>"),
    (r"[\[({]\s*[\])}]", "<sizes>"),
    (r"_\d+(?:_\d+)*\b", ""),
    (r"(?<![A-Za-z_])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", "#"),
    (r"\s+", " "),
)

_OPERATOR_NAMED = re.compile(
    r"op_type:\s*(\w+)|running (\w+) node|implementation for (\w+)"
    r"|\b[Oo]p(?:erator)?:? ?\(?([A-Z]\w+)|\baten(?:::|\.)(\w+)"
)
"""How ONNX's checker, ONNX Runtime, tf2onnx and PyTorch say which operator an error is about."""

_CHAINED = re.compile(r"\n\n(?:The above exception was|During handling of the above)[^\n]*\n\n")
_FRAME = re.compile(r'^\s*File "([^"]+)", line \d+, in (\S+)', re.MULTILINE)


class Signature(msgspec.Struct, frozen=True):
    """What the findings of one bucket share.

    operators: the one that is to blame, or all of the graph's in order where none is known to be; empty where the error
    speaks for itself. message: the error's class, place and normalized text, or the kind of mismatch and what kinds of
    numbers are at work. stage: as attributed (`graphfuzz.oracle.attribution`), or empty.
    """

    route: str
    verdict: str
    operators: tuple[str, ...]
    message: str
    stage: str = ""

    @property
    def slug(self) -> str:
        """A readable name, safe for file systems: `torch-script-ort-wrong-output-argmax-3f2a91`."""
        message = _OBJECTOR.sub("(op_type:_", self.message) if self.operators else self.message
        identity = "\n".join((self.route, self.stage, self.verdict, *self.operators, message))
        short = hashlib.sha256(identity.encode()).hexdigest()[:6]
        words = _plain("-".join(self.operators) or self._words())[:48].rstrip("-")
        return "-".join(part for part in (_plain(self.route), self.verdict, words, short) if part)

    def _words(self) -> str:
        """The error's class without its modules, and the operator that it names or the place that raised it."""
        error, _, rest = self.message.partition(" ")
        return f"{error.rpartition('.')[2]} {next(iter(operators_named(rest)), rest)}"


def signature(outcome: Outcome, graph: Graph, registry: Registry, attribution: Attribution | None = None) -> Signature:
    """The bucket of a finding; give it the minimized graph, whose operators, dtypes and attributes are those that
    matter."""
    message, stage = _telling(outcome, graph.values()), attribution.stage if attribution else ""
    blamed = (attribution.operator,) if attribution and attribution.operator else tuple(graph.operators())
    if outcome.verdict == WRONG_OUTPUT:
        told = [_categories(graph, outcome), *_settings(graph, registry, attribution)]
        message = f"{message}: {', '.join(told)}"
    return Signature(outcome.route, outcome.verdict, () if _has_place(outcome) else blamed, message, stage)


def known_by(signatures: Mapping[str, Signature], outcome: Outcome, graph: Graph) -> str | None:
    """The name of the first of these whose defect a finding, not minimized, shows: the same error, and what is to blame
    for it is in the graph.

    Wrong outputs, hangs and deaths say too little for that.
    """
    if outcome.verdict in (WRONG_OUTPUT, HANG, PROCESS_CRASH):
        return None
    told, operators = kind(outcome, graph), set(graph.operators())
    return next(
        (
            name
            for name, known in signatures.items()
            if (known.route, known.verdict, known.message) == told and operators.issuperset(known.operators)
        ),
        None,
    )


def kind(outcome: Outcome, graph: Graph) -> tuple[str, str, str]:
    """What stays the same while a case is minimized: route, verdict, and the error or the kind of mismatch."""
    return outcome.route, outcome.verdict, _telling(outcome, graph.values())


def normalize(message: str, names: Iterable[str] = ()) -> str:
    """A message without what belongs to one graph, process or machine.

    Numbers, sizes, addresses, paths, quoted names and the graph's own `names` go; the types of tensors too, since a
    defect seldom stops at one type. Names of operators stay.
    """
    text = message.partition(_OF_THE_GRAPH)[0]
    own = [re.escape(name) for name in names if re.search(r"\d", name)]
    if own:
        text = re.sub(rf"\b(?:{'|'.join(sorted(own, key=len, reverse=True))})\b", "_", text)
    text = re.sub(r"'([^'\n]*)'|\"([^\"\n]*)\"|`([^`\n]*)`", _unquoted, text)
    for pattern, replacement in _RULES:
        text = re.sub(pattern, replacement, text)
    return text.strip()[:LONGEST]


def site(outcome: Outcome) -> str:
    """Where the error was raised, `file.py:function` of its innermost frame; empty where there is no traceback.

    Of chained exceptions, the one whose class the outcome names counts.
    """
    name = outcome.error.rpartition(".")[2]
    sections = _CHAINED.split(outcome.traceback)
    matching = [s for s in sections if name and re.search(rf"^(?:\w+\.)*{re.escape(name)}\b", s, re.MULTILINE)]
    frames = _FRAME.findall((matching or sections)[0])
    if not frames:
        return ""
    path, function = frames[-1]
    return f"{PureWindowsPath(path).name}:{function}"


def _telling(outcome: Outcome, names: Iterable[str]) -> str:
    """The error or the kind of mismatch; that it shows at other sizes only makes it another defect."""
    told = _told(outcome, names)
    return f"{told} at other sizes" if outcome.binding else told


def _told(outcome: Outcome, names: Iterable[str]) -> str:
    if outcome.mismatch is not None:
        return outcome.mismatch.what
    place = site(outcome) if outcome.verdict == CONVERSION_CRASH else ""
    said = min(normalize(complaint, names) for complaint in complaints(outcome.message))
    return " ".join(part for part in (outcome.error, place, said) if part)


def _has_place(outcome: Outcome) -> bool:
    """Whether the error has a place in the converter, which tells the defect whatever operator led there."""
    return outcome.verdict == CONVERSION_CRASH and bool(site(outcome))


def operators_named(message: str) -> list[str]:
    """The operators of the target that a message is about, as it names them; none where it names none."""
    return [next(filter(None, groups)) for groups in _OPERATOR_NAMED.findall(message)]


def _unquoted(match: re.Match[str]) -> str:
    word = next(group for group in match.groups() if group is not None)
    return word if _TARGET_NAME.match(word) else "_"


def _categories(graph: Graph, outcome: Outcome) -> str:
    values = graph.values()
    given = sorted({_category(v.dtype) for v in graph.inputs})
    output = outcome.mismatch.output if outcome.mismatch else ""
    made = [_category(values[output].dtype)] if output in values else []
    return " to ".join(["+".join(given), *made])


def _settings(graph: Graph, registry: Registry, attribution: Attribution | None) -> Iterator[str]:
    """The settings of the node to blame; those of all nodes where none is to blame."""
    blamed = attribution.node if attribution else ""
    for node in graph.nodes:
        if blamed in ("", node.name):
            yield from (f"{name}={bin_}" for name, bin_ in settings(graph, node, registry).items())


def settings(graph: Graph, node: Node, registry: Registry) -> dict[str, str]:
    """The attributes of a minimized graph's node that a minimizer would have made plainer, if the defect did not need
    them, by their bins."""
    if not node.attrs or node.op not in registry:
        return {}
    op, given = registry[node.op], operands(graph, node)
    ranks = rank_of(parameters_of(op, len(given)), [tensor.rank for tensor in given])
    return {
        name: attribute_bin(node.attrs[name])
        for name, kind in op.attrs.items()
        if plainer_values(kind, node.attrs[name], ranks.__getitem__)
    }


def _category(dtype: str) -> str:
    if is_complex(dtype):
        return "complex"
    return "float" if is_float(dtype) else "int" if is_integer(dtype) else "bool"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
