"""`python -m benchmarks NAME [--quick] [--json] [--record]`."""

from __future__ import annotations

import importlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from graphfuzz.corpus.sightings import today

NAMES = (
    "pipeline",
    "generation",
    "guidance",
    "lanes",
    "validity",
    "conformance",
    "ledger",
    "minimizer",
    "mutants",
    "false-alarms",
    "atomicity",
    "confirmations",
    "scaling",
    "overhead",
    "faults",
    "resume",
    "endurance",
    "yield",
)
ELSEWHERE = {"faults": "survival", "yield": "yields"}
"""The modules of those benchmarks that are not called as their module is."""
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "tensorflow-cpu", "keras", "tf2onnx", "onnx", "onnxscript", "onnxruntime", "numpy", "z3-solver")


def processor() -> str:
    """The processor's name, as the kernel tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def circumstances() -> dict[str, Any]:
    """Date, versions and machine, as they stand in a recorded result."""
    return {
        "date": today(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": {"cores": os.cpu_count(), "processor": processor()},
    }


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--quick", is_flag=True, help="A small run, to see that it works; its figures mean little.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--record", is_flag=True, help="Write benchmarks/results/NAME.json.")
def main(name: str, quick: bool, as_json: bool, record: bool) -> None:
    """Run one benchmark."""
    benchmark = importlib.import_module(f"benchmarks.{ELSEWHERE.get(name, name.replace('-', '_'))}")
    result = {"benchmark": name, "quick": quick, **circumstances(), "result": benchmark.run(quick)}
    if record:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    if as_json:
        click.echo(json.dumps(result, indent=2, sort_keys=True))
    else:
        Console().print(benchmark.render(result["result"]))


if __name__ == "__main__":
    main()
