"""Whether the corpus' entries fail for whoever gets one: their scripts in an environment without graphfuzz, and what
they are exported to in the harness that it is for."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.harnesses import Died, backend_passes, pytest_failures, tf2onnx_tests
from benchmarks.progress import track
from graphfuzz.corpus.bisection import BAD
from graphfuzz.corpus.entry import Entry, entries, read_entry
from graphfuzz.corpus.export import FORMATS
from graphfuzz.corpus.rerun import patience, run_script, told
from graphfuzz.errors import GraphfuzzError
from graphfuzz.oracle.verdict import HANG, PROCESS_CRASH
from graphfuzz.spec.registry import Registry, load_registry

CORPUS, CONSTRAINTS = Path("corpus"), Path("constraints.txt")
PLACE = Path("build") / "confirmations"
"""Where the environment and tf2onnx's tests are kept."""
NEEDED = ("torch", "onnx", "onnxscript", "onnxruntime", "tensorflow-cpu", "tf2onnx", "numpy", "ml_dtypes", "pytest")
AT_ONCE = 2
CONFIRMED, NOT_CONFIRMED = "fails as recorded", "does not"


def run(quick: bool) -> dict[str, Any]:
    """For each entry, what its script and its exports say; of a quick run, two entries by this very Python."""
    registry = load_registry()
    found = {path.name: (path, read_entry(path)) for path in entries([CORPUS])}
    if quick:
        found = dict(list(found.items())[:2])
    PLACE.mkdir(parents=True, exist_ok=True)
    python = sys.executable if quick else environment()
    stored = {name: entry for name, (_, entry) in found.items()}
    rows: dict[str, dict[str, str]] = {name: {} for name in found}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        said = threads.map(lambda name: script(python, *found[name]), found)
        for name, state in zip(found, track(said, "scripts", len(found)), strict=True):
            rows[name]["script"] = state
    for form, judge in HARNESSES.items():
        for name, state in exported(stored, form, judge, python, registry):
            rows[name][form] = state
    return {"entries": len(rows), "rows": rows, "counts": {f: counts(rows, f) for f in ("script", *HARNESSES)}}


def counts(rows: Mapping[str, Mapping[str, str]], form: str) -> dict[str, int]:
    """How many entries fail as recorded in a form, do not, or do not fit it."""
    said = Counter(row.get(form, "does not fit").partition(":")[0] for row in rows.values())
    return dict(said)


def environment() -> str:
    """The Python of an environment that has the pinned packages and not graphfuzz; made anew where these change."""
    mark = hashlib.sha256(CONSTRAINTS.read_bytes() + " ".join(NEEDED).encode()).hexdigest()[:8]
    place = (PLACE / f"environment-{mark}").absolute()
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        command = [str(python), "-m", "pip", "install", "-q", "--constraint", str(CONSTRAINTS.absolute()), *NEEDED]
        subprocess.run(command, check=True)
        (place / "complete").touch()
    return str(python)


def script(python: str, path: Path, entry: Entry) -> str:
    """What the entry's own script says."""
    state, last = told(entry.finding, run_script(Path(python), path / "repro.py", patience(entry.finding)))
    return CONFIRMED if state == BAD else f"{NOT_CONFIRMED}: {last}"


def exported(
    stored: Mapping[str, Entry],
    form: str,
    judge: Callable[[str, Path, Sequence[str]], Mapping[str, bool]],
    python: str,
    registry: Registry,
) -> Iterator[tuple[str, str]]:
    """Each entry that fits a format, and whether it fails there. What takes a process down has one of its own."""
    fitting: dict[str, Mapping[str, bytes]] = {}
    for name, entry in stored.items():
        with suppress(GraphfuzzError):  # the format is for other entries, and says so
            fitting[name] = FORMATS[form](entry, registry)
    deadly = [name for name in fitting if stored[name].finding.verdict in (PROCESS_CRASH, HANG)]
    for names in ([name for name in fitting if name not in deadly], *([name] for name in deadly)):
        with tempfile.TemporaryDirectory() as scratch:
            for name in names:
                for relative, content in fitting[name].items():
                    place = Path(scratch, "simple" if form == "onnx-backend" else "", relative)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content)
            try:
                failing = judge(python, Path(scratch), names) if names else {}
            except Died:
                if names not in ([name] for name in deadly):
                    raise
                failing = dict.fromkeys(names, True)
        for name in names:
            yield name, CONFIRMED if failing[name] else NOT_CONFIRMED


def pytorch(python: str, folder: Path, names: Sequence[str]) -> dict[str, bool]:
    """Which fail in PyTorch's harness."""
    said = pytest_failures(python, folder)
    return {name: bool(said[name]) for name in names}


def tf2onnx(python: str, folder: Path, names: Sequence[str]) -> dict[str, bool]:
    """Which fail in tf2onnx's harness."""
    said = pytest_failures(python, folder, [tf2onnx_tests(python, PLACE.absolute())])
    return {name: bool(said[name]) for name in names}


def backend(python: str, folder: Path, names: Sequence[str]) -> dict[str, bool]:
    """Which ONNX Runtime does not pass."""
    passed, _ = backend_passes(python, folder)
    return {name: not passed[f"test_{name.replace('-', '_')}"] for name in names}


HARNESSES = {"torch-pytest": pytorch, "tf2onnx-test": tf2onnx, "onnx-backend": backend}
"""By format, which of some entries fail there."""


def render(result: dict[str, Any]) -> Table:
    """How many are confirmed by each, and which are not."""
    table = Table(title=f"{result['entries']} entries", title_justify="left")
    for column in ("", CONFIRMED, NOT_CONFIRMED, "does not fit", "which do not"):
        table.add_column(column, overflow="fold")
    for form, said in result["counts"].items():
        others = [name for name, row in result["rows"].items() if row.get(form, "").startswith(NOT_CONFIRMED)]
        numbers = [str(said.get(key, 0)) for key in (CONFIRMED, NOT_CONFIRMED, "does not fit")]
        table.add_row(form, *numbers, " ".join(others))
    return table
