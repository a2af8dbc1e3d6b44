"""A case: a graph with its inputs and weights, everything needed to run it again."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import ml_dtypes
import msgspec
import numpy as np

from graphfuzz.errors import EntryError
from graphfuzz.graph.codec import Step, canonical, graph_from_json, graph_to_json, upgraded
from graphfuzz.graph.evaluation import Array
from graphfuzz.graph.graph import Graph, Value


def _with_bindings(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "bindings": []}


STEPS: tuple[Step, ...] = (_with_bindings,)
"""Takes data from schema 1 to 2, and so on."""
SCHEMA = len(STEPS) + 1
_BITS = ".bfloat16"
"""Ends the name of an array whose bits are stored as uint16: the .npy format has no bfloat16."""


class Case(msgspec.Struct, frozen=True, eq=False):
    """A graph in one framework's dtype rules, and the value of each of its leaves.

    framework: whose type rules the graph follows ("torch" or "keras"). tensors: inputs and weights by name.
    origin: where it comes from (campaign seed, index), for people and for making it again. bindings: further inputs of
    other sizes (see `graphfuzz.graph.binding`), for which the converted model shall hold, too. twins: pairs of outputs
    that are two forms of one computation, and must agree in the converted model.
    """

    graph: Graph
    framework: str
    tensors: dict[str, Array]
    origin: dict[str, Any] = {}
    bindings: tuple[dict[str, Array], ...] = ()
    twins: tuple[tuple[str, str], ...] = ()

    def inputs(self) -> dict[str, Array]:
        """The input arrays in order, by name."""
        return {v.name: self.tensors[v.name] for v in self.graph.inputs}

    def weights(self) -> dict[str, Array]:
        """The weight arrays in order, by name."""
        return {v.name: self.tensors[v.name] for v in self.graph.weights}

    def arrays(self) -> dict[str, Array]:
        """Every array of the case: its tensors by name, those of binding 1, 2, ... as `x0.1`, `x0.2`, ..."""
        further = enumerate(self.bindings, 1)
        return {**self.tensors, **{f"{name}.{i}": array for i, inputs in further for name, array in inputs.items()}}


def case_to_json(case: Case) -> str:
    """`case.json`: the case without its arrays, canonical."""
    data = {
        "schema": SCHEMA,
        "framework": case.framework,
        "origin": case.origin,
        "graph": graph_to_json(case.graph),
        "bindings": [{name: list(array.shape) for name, array in inputs.items()} for inputs in case.bindings],
        "twins": case.twins,
    }
    return canonical(data) + "\n"


def case_from_json(text: str | bytes, arrays: dict[str, Array], where: str) -> Case:
    """The case in the text of a `case.json` with its `arrays`. Raises EntryError, naming `where` and what is wrong."""
    try:
        data = upgraded(msgspec.json.decode(text), STEPS, where)
        graph = graph_from_json(data["graph"])
        framework, origin = str(data["framework"]), dict(data["origin"])
        bindings = [{name: tuple(shape) for name, shape in shapes.items()} for shapes in data["bindings"]]
        twins = tuple((str(one), str(other)) for one, other in data.get("twins", []))
        dtypes = {v.name: v.dtype for v in graph.inputs}
        wanted = [Value(f"{n}.{i}", dtypes[n], shape) for i, b in enumerate(bindings, 1) for n, shape in b.items()]
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise EntryError(f"{where}: not a complete case ({error!r}); restore it or delete the entry") from None
    for value in (*graph.inputs, *graph.weights, *wanted):
        array = arrays.get(value.name)
        if array is None or array.dtype != value.dtype or array.shape != value.shape:
            raise EntryError(f"{where}: the tensors hold no {value}; restore them or delete the entry")
    tensors = {v.name: arrays[v.name] for v in (*graph.inputs, *graph.weights)}
    further = tuple({name: arrays[f"{name}.{i}"] for name in b} for i, b in enumerate(bindings, 1))
    return Case(graph, framework, tensors, origin, further, twins)


def case_to_bytes(case: Case) -> bytes:
    """The whole case, arrays too; the same case gives the same bytes."""
    return msgspec.msgpack.encode((case_to_json(case), pack_arrays(case.arrays())))


def case_from_bytes(data: bytes, where: str) -> Case:
    """The case of `case_to_bytes`. Raises EntryError, naming `where`."""
    text, arrays = msgspec.msgpack.decode(data, type=tuple[str, bytes])
    return case_from_json(text, unpack_arrays(arrays, where), where)


def pack_arrays(arrays: dict[str, Array]) -> bytes:
    """Arrays as the bytes of an .npz file; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            content = io.BytesIO()
            array = np.asarray(arrays[name])
            half = array.dtype == ml_dtypes.bfloat16
            np.lib.format.write_array(content, array.view("uint16") if half else array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}{_BITS if half else ''}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content.getvalue())
    return buffer.getvalue()


def unpack_arrays(data: bytes, where: str) -> dict[str, Array]:
    """The arrays in the bytes of an .npz file. Raises EntryError, naming `where`."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
        halves = {n.removesuffix(_BITS): a.view(ml_dtypes.bfloat16) for n, a in found.items() if n.endswith(_BITS)}
        arrays = {**{n: a for n, a in found.items() if not n.endswith(_BITS)}, **halves}
    except Exception as error:  # noqa: BLE001 - on damaged bytes zipfile, zlib and NumPy raise nearly anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise EntryError(f"{where}: not a readable .npz file ({reason}); restore it or delete the entry") from None
    strange = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if strange:
        raise EntryError(f"{where}: holds no array as {strange[0]!r}; restore it or delete the entry")
    return arrays
