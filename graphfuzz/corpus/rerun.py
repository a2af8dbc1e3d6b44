"""Runs an entry's repro.py with any Python, and tells whether it shows the very defect of the entry.

Key insight: exit code 1 is not enough. A missing module ends a script with 1 too, an import that crashes looks like the
crash that was recorded, and another version may fail in another way: what the script printed has to be of the kind that
the finding records.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

import msgspec

from graphfuzz.corpus.bisection import BAD, CANNOT_TELL, GOOD
from graphfuzz.corpus.finding import Finding, relative_paths
from graphfuzz.corpus.script import STARTUP_SECONDS
from graphfuzz.corpus.signature import operators_named
from graphfuzz.oracle.causes import ALLOCATORS
from graphfuzz.oracle.verdict import PROCESS_CRASH, WRONG_OUTPUT

LONGEST = 200
"""How much of a script's last word is kept, in characters."""

_UNSET = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONOPTIMIZE", "VIRTUAL_ENV")
_SET = {"PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1", "PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}

_GIVES = re.compile(r"^(\S+): (source|converted) model gives (\w+)(\[.*\])$", re.MULTILINE)
_FATAL = re.compile(r"^Fatal Python error: (.+)$", re.MULTILINE)
_CRASHED = re.compile(r"^Current thread .*?:\n((?:  .*\n?)*)", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.*)", line \d+ in (\S+)$', re.MULTILINE)
_EXCEPTION = re.compile(r"(?:\w+\.)*[A-Z][a-z]\w*(?:: |$)")
_CHILD = "a Python exception came before the end"  # the parent's word; what the child said comes before
_SOURCES = ("run_torch", "run_keras")
"""The script's functions that run a source model. The converted model's are called as their stages are (see `Target`);
all else that `fails` calls is the conversion."""


class Run(msgspec.Struct, frozen=True):
    """How a script ended. code: its exit code, None where it was ended at the time limit."""

    code: int | None
    stdout: str
    stderr: str


def run_script(python: Path, script: Path, seconds: float) -> Run:
    """Run a script with that Python alone: no user site, no PYTHONPATH, a stack where a signal ends it.

    It is ended, with all that it started, after so many seconds. A signal's number is negative, as in `subprocess`.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _UNSET} | _SET
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [str(python), str(script.resolve())]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err, start_new_session=True)
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return Run(code, *texts)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, where it still runs, and all that it has started."""
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
    else:
        process.kill()
    process.wait()


def patience(finding: Finding) -> float:
    """How long a finding's script may run, in seconds: twice its own limit, which is that of a hang it waits for."""
    return 2 * (min(finding.seconds_a_case, 3600) + STARTUP_SECONDS)


def told(finding: Finding, run: Run) -> tuple[str, str]:
    """The state that a run of the finding's script tells, and its last word."""
    said = _last_line(run.stdout)
    if run.code == 0 and said == f"FIXED: no {finding.verdict}":
        return GOOD, said
    if run.code == 1 and said == f"STILL FAILS: {finding.verdict}":
        otherwise = _otherwise(finding, run)
        return (CANNOT_TELL, f"fails otherwise: {otherwise}") if otherwise else (BAD, said)
    if run.code is None:
        return CANNOT_TELL, "does not end in time"
    return CANNOT_TELL, _cause(run.stderr) or f"exit code {run.code}"


def _otherwise(finding: Finding, run: Run) -> str:
    """In which way a script failed that is not the finding's; empty where it is."""
    if finding.verdict == WRONG_OUTPUT:
        return _other_mismatch(finding, run.stdout)
    if finding.verdict == PROCESS_CRASH:
        return _other_crash(finding, run.stderr)
    named = set(operators_named(finding.message))
    now = operators_named(run.stderr)
    return f"of {', '.join(sorted(set(now)))}" if named and now and named.isdisjoint(now) else ""


def _other_mismatch(finding: Finding, stdout: str) -> str:
    """Dtypes and shapes are what tells a wrong value from a wrong type."""
    what = finding.mismatch.what if finding.mismatch else ""
    gives = {(name, model): (dtype, shape) for name, model, dtype, shape in _GIVES.findall(stdout)}
    pairs = [(gives[name, "source"], gives[name, "converted"]) for name, model in gives if model == "converted"]
    dtype = any(source[0] != converted[0] for source, converted in pairs)
    shape = any(source[1] != converted[1] for source, converted in pairs)
    if what == "dtype":
        return "" if dtype else "the dtypes are right"
    if what == "shape":
        return "" if shape else "the shapes are right"
    if what in ("count", "declared"):
        return ""
    return "a wrong dtype" if dtype else "a wrong shape" if shape else ""


def _other_crash(finding: Finding, stderr: str) -> str:
    """A crash is the finding's where the same signal comes in the same stage, and not while something is imported."""
    if finding.message.startswith("memory limit"):
        return (
            ""
            if any(word in stderr for word in ("MemoryError", *ALLOCATORS))
            else _cause(stderr) or "no word of memory"
        )
    fatal = _FATAL.search(stderr)
    if fatal is None:
        return "a process that died and left no stack"
    before = _FATAL.search(finding.message)
    if before and before[1].partition(";")[0] != fatal[1]:
        return fatal[1]
    crashed = _CRASHED.search(stderr, fatal.end())
    frames = _FRAME.findall(crashed[1]) if crashed else []
    if any("importlib" in path for path, _ in frames):
        return f"{fatal[1]} in an import"
    functions = [function for _, function in frames]
    stage = next(filter(None, map(_stage, functions)), "conversion" if "fails" in functions else "")
    return f"{fatal[1]} in {stage}" if stage and stage != finding.stage else ""


def _stage(function: str) -> str:
    """The stage that a function of the script is, or empty."""
    name = function.partition("_")[0]
    return name if name in ("check", "load", "run") and function not in _SOURCES else ""


def _cause(stderr: str) -> str:
    """The last line of the last traceback, or of all that was said."""
    lines = [line for line in stderr.splitlines() if _EXCEPTION.match(line) and _CHILD not in line]
    return relative_paths(lines[-1] if lines else _last_line(stderr))[:LONGEST]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
