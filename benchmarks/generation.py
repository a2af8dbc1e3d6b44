"""Graphs a second, next to NNSmith's generator in the same minutes; and how varied the graphs of both are.

The peer runs in an environment of its own, which the first run installs into the user's cache. Both make typed graphs
without values, in turns of a few seconds each; ours, half for PyTorch and half for Keras. What the values cost is told
apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Group
from rich.table import Table

from benchmarks.progress import track
from graphfuzz.campaign.child import collect_seldom
from graphfuzz.cli.ops_probe import default_cache
from graphfuzz.generator import Profile, Recipe, generate, generate_graph
from graphfuzz.graph import Graph
from graphfuzz.spec import Registry, load_registry
from graphfuzz.spec.operator import FRAMEWORKS

PEER = "nnsmith==0.1.0"
METHODS = ("concolic", "symbolic-cinit", "symbolic")
NODES = (5, 10, 20, 50, 100)
TURNS = 24
SECONDS = 1.0
"""How long a turn of one generator takes: short, so that what slows the machine for a while slows both."""
ALL_TURNS = 3
"""In how many turns each of the peer's methods is asked; after them, those at least half as fast as its fastest."""
WARM_UP = 40
VARIED = 500
"""Graphs of `VARIED_NODES` nodes in which operators, pairs, dtypes and ranks are counted."""
VARIED_NODES = 10


def run(quick: bool) -> dict[str, Any]:
    """For each number of nodes the rates and their ratio; and what there is in as many graphs of each."""
    turns, seconds, varied = (1, 0.3, 40) if quick else (TURNS, SECONDS, VARIED)
    registry = load_registry()
    for framework in FRAMEWORKS:
        for index in range(WARM_UP):
            generate(Recipe(1, index, framework, VARIED_NODES), registry)
    collect_seldom()  # as workers do
    with _peer() as ask:
        for method in METHODS:
            ask(method=method, nodes=5, graphs=3)
        rates = {nodes: _rates(nodes, turns, seconds, registry, ask) for nodes in track(NODES, "graphs a second")}
        fastest = max(METHODS, key=lambda method: rates[VARIED_NODES][method])
        theirs = ask(method=fastest, nodes=VARIED_NODES, graphs=varied)["graphs"]
    return {
        "peer": PEER,
        "rates": rates,
        "ratio": {nodes: rate["graphs"] / max(rate[method] for method in METHODS) for nodes, rate in rates.items()},
        "variety": {"ours": _variety(_ours(varied, registry)), "peer": _variety(theirs)},
        "profile": _profile(registry, varied),
    }


def _rates(nodes: int, turns: int, seconds: float, registry: Registry, ask: Any) -> dict[str, float]:
    """Graphs a second: of each of the peer's methods, ours in all ("graphs"), by framework, and with values."""
    done: dict[str, list[float]] = {}

    def count(name: str, graphs: float, took: float) -> None:
        total = done.setdefault(name, [0.0, 0.0])
        total[0] += graphs
        total[1] += took

    def near(method: str) -> bool:
        rates = {name: done[name][0] / done[name][1] for name in METHODS}
        return 2 * rates[method] >= max(rates.values())

    for turn in range(turns):
        for method in METHODS if turn < ALL_TURNS else filter(near, METHODS):
            answer = ask(method=method, nodes=nodes, seed=1000 * turn, seconds=seconds)
            count(method, len(answer["graphs"]), answer["seconds"])
        for framework in FRAMEWORKS:
            for name, make in ((framework, generate_graph), (f"{framework} with values", generate)):
                started, made = time.perf_counter(), 0
                while time.perf_counter() - started < seconds / 2:
                    make(Recipe(2, 100_000 * turn + made, framework, nodes), registry)
                    made += 1
                count(name, made, time.perf_counter() - started)
    rates = {name: graphs / took for name, (graphs, took) in done.items()}
    return {**rates, "graphs": len(FRAMEWORKS) / sum(1 / rates[framework] for framework in FRAMEWORKS)}


def _ours(count: int, registry: Registry) -> list[dict[str, Any]]:
    recipes = [Recipe(3, index, FRAMEWORKS[index % 2], VARIED_NODES) for index in range(count)]
    return [_described(generate_graph(recipe, registry)) for recipe in recipes]


def _described(graph: Graph) -> dict[str, Any]:
    """What a graph consists of, as the peer tells it."""
    made_by = {value.name: node.op for node in graph.nodes for value in node.outputs}
    outputs = [value for node in graph.nodes for value in node.outputs]
    return {
        "operators": [node.op for node in graph.nodes],
        "pairs": [[made_by[name], node.op] for node in graph.nodes for name in node.inputs if name in made_by],
        "dtypes": [value.dtype for value in outputs],
        "ranks": [len(value.shape) for value in outputs],
    }


def _variety(graphs: list[dict[str, Any]]) -> dict[str, Any]:
    distinct = {
        part: len({tuple(x) if isinstance(x, list) else x for graph in graphs for x in graph[part]})
        for part in ("operators", "pairs", "dtypes", "ranks")
    }
    asked = sum(len(graph["operators"]) == VARIED_NODES for graph in graphs)
    return {"graphs": len(graphs), **distinct, "of_the_size_asked_for": asked}


def _profile(registry: Registry, count: int) -> dict[str, Any]:
    """What z3 was asked while cases grew with values, its share of the time, and how values were found."""
    profile = Profile()
    started = time.perf_counter()
    for index in range(count):
        generate(Recipe(4, index, FRAMEWORKS[index % 2], VARIED_NODES), registry, profile)
    took = time.perf_counter() - started
    return {
        "cases": count,
        "ms_a_case": 1000 * took / count,
        "z3_calls": sum(profile.solver.calls.values()),
        "z3_gave_up": sum(profile.solver.gave_up.values()),
        "z3_share": sum(profile.solver.seconds.values()) / took,
        "fits": msgspec.structs.asdict(profile.fits),
    }


@contextmanager
def _peer() -> Iterator[Any]:
    """A function that has the peer answer a request, as `benchmarks/peer.py` says."""
    script = Path(__file__).with_name("peer.py")
    with subprocess.Popen(
        [interpreter("z3-solver"), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None

        def ask(**request: Any) -> Any:
            requests.write(json.dumps({"seed": 0, **request}) + "\n")
            requests.flush()
            return json.loads(answers.readline())

        yield ask
        requests.close()


def interpreter(*ours: str) -> str:
    """The Python of an environment that has the peer, and these packages as we have them; made where there is none."""
    packages = [PEER, *(f"{name}=={version(name)}" for name in ours)]
    folder = default_cache() / "peers" / "-".join(packages).replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True, stdout=sys.stderr)
        (folder / "complete").touch()
    return str(python)


def render(result: dict[str, Any]) -> Group:
    """Rates by number of nodes, then variety, then what z3 cost."""
    rates = Table(title="Graphs a second, of one process", title_justify="left")
    rates.add_column("nodes")
    for nodes in result["rates"]:
        rates.add_column(str(nodes), justify="right")
    for name in next(iter(result["rates"].values())):
        label = f"{result['peer']} {name}" if name in METHODS else "ours" if name == "graphs" else f"  {name}"
        rates.add_row(label, *(f"{rate[name]:.1f}" for rate in result["rates"].values()))
    rates.add_row("ours / the peer's fastest", *(f"{ratio:.1f}" for ratio in result["ratio"].values()), style="bold")
    variety = Table(title=f"In graphs of {VARIED_NODES} nodes", title_justify="left")
    variety.add_column("")
    for whose in result["variety"]:
        variety.add_column(whose, justify="right")
    for row in next(iter(result["variety"].values())):
        variety.add_row(row.replace("_", " "), *(f"{v[row]:,}" for v in result["variety"].values()))
    p = result["profile"]
    told = (
        f"With values: {p['ms_a_case']:.1f} ms a case; z3 was asked {p['z3_calls']} times in {p['cases']} cases, "
        f"gave up {p['z3_gave_up']} times, and took {p['z3_share']:.0%} of the time. The values of uses were ordinary: "
        + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in p["fits"].items())
    )
    return Group(rates, variety, told)
