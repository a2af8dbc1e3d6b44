"""A bug report in Markdown, in the shape that the project at fault asks for.

The shapes follow the issue forms of the three projects: bug-report.yml of pytorch/pytorch, bug-performance-issue.md of
onnx/tensorflow-onnx, 08-general.yml of microsoft/onnxruntime (its fields in their order, as headings).
"""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from urllib.parse import quote_plus

from graphfuzz.corpus.bisection import Bisection, conclusions, digest
from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.export.minimal import minimal
from graphfuzz.corpus.export.onnx_text import contents, shown
from graphfuzz.corpus.export.source import parts
from graphfuzz.corpus.export.wording import (
    FRAMEWORKS,
    baseline,
    blame,
    culprit,
    is_of_runtime,
    observed,
    search_words,
    subject,
    title,
    value_text,
)
from graphfuzz.errors import UsageError
from graphfuzz.oracle.verdict import CONVERSION_CRASH, HANG, PROCESS_CRASH
from graphfuzz.spec.registry import Registry

PROJECTS = {
    "pytorch": "pytorch/pytorch",
    "tf2onnx": "onnx/tensorflow-onnx",
    "onnxruntime": "microsoft/onnxruntime",
}

_PYTORCH = """\
### 🐛 Describe the bug

{what}

```python
{code}```

{outcome}

{analysis}

### Versions

{versions}

<!-- Add the output of `python -m torch.utils.collect_env`. -->
"""

_TF2ONNX = """\
**Describe the bug**

{what}

{outcome}

**Urgency**

None.

**System information**

- OS Platform and Distribution: {system}
- TensorFlow Version: {tensorflow}
- Python version: {python}
- ONNX version: {onnx}
- ONNXRuntime version: {onnxruntime}
- tf2onnx version: {tf2onnx} (opset 18); Keras {keras}, NumPy {numpy}

**To Reproduce**

```python
{code}```

**Additional context**

{analysis}
"""

_ONNXRUNTIME = """\
### Describe the issue

{what}

{outcome}

{analysis}

### To reproduce

```python
{code}```

### Urgency

Not urgent.

### Platform

{platform}

### OS Version

{system}

### ONNX Runtime Installation

Released Package

### ONNX Runtime Version or Commit ID

{onnxruntime}

### ONNX Runtime API

Python

### Architecture

{machine}

### Execution Provider

Default CPU

### Execution Provider Library Version

Not applicable. Other packages: {others}
"""

_SHAPES = {"pytorch": _PYTORCH, "tf2onnx": _TF2ONNX, "onnxruntime": _ONNXRUNTIME}
_MACHINES = {"x86_64": "X64", "AMD64": "X64", "aarch64": "ARM64", "arm64": "ARM64"}


def report(
    entry: Entry, registry: Registry, project: str | None = None, bisections: Sequence[Bisection] = ()
) -> dict[str, bytes]:
    """One Markdown file. project: of `PROJECTS`, unless the one at fault. bisections: the entry's.

    Raises UsageError for a project that is none.
    """
    chosen = project or _project(entry)
    if chosen not in PROJECTS:
        raise UsageError(f"there is no project '{chosen}'; choose among {', '.join(PROJECTS)}")
    found, known = parts(entry, registry), contents(entry.onnx)
    versions = {name: version for name, version in entry.finding.versions.items() if name != "graphfuzz"}
    words = search_words(entry, known, found.expression)
    link = f"https://github.com/{PROJECTS[chosen]}/issues?q={quote_plus(f'is:issue {words}')}"
    text = _SHAPES[chosen].format(
        what=f"{subject(entry, found.expression)} {observed(entry)}",
        code=minimal(entry, found, for_runtime=chosen == "onnxruntime"),
        outcome=_outcome(entry),
        analysis=_analysis(entry, chosen, bisections),
        versions="\n".join(f"- {name} {version}" for name, version in versions.items()),
        system=platform.platform(),
        python=platform.python_version(),
        platform={"Darwin": "Mac"}.get(platform.system(), platform.system()),
        machine=_MACHINES.get(platform.machine(), "Other / Unknown"),
        others=", ".join(f"{name} {version}" for name, version in versions.items() if name != "onnxruntime"),
        **{name: versions.get(name, "not installed") for name in ("onnx", "onnxruntime", "tf2onnx", "keras", "numpy")},
        tensorflow=versions.get("tensorflow-cpu", versions.get("tensorflow", "not installed")),
    )
    head = f"<!-- To {PROJECTS[chosen]}. Title: {_tag(chosen)}{title(entry, found.expression)}\n"
    head += f"Search for duplicates first: {words}\n{link} -->\n\n"
    last = f"\nFound by differential fuzzing with graphfuzz ({entry.slug}).\n"
    return {f"{entry.slug}.md": f"{head}{text.rstrip()}\n{last}".encode()}


def _project(entry: Entry) -> str:
    if is_of_runtime(entry):
        return "onnxruntime"
    return "pytorch" if entry.case.framework == "torch" else "tf2onnx"


def _tag(project: str) -> str:
    return "[ONNX] " if project == "pytorch" else ""


def _outcome(entry: Entry) -> str:
    """Expected and actual, as a table of values or the words of the error."""
    finding, mismatch = entry.finding, entry.finding.mismatch
    framework = FRAMEWORKS[entry.case.framework]
    if mismatch is None:
        expected = f"Expected: the result that {framework} gives."
        crashed = finding.verdict == CONVERSION_CRASH
        said = _frames(finding.traceback) if crashed else finding.message.strip()
        telling = said and finding.error != "WrongInputs" and finding.verdict not in (HANG, PROCESS_CRASH)
        return f"{expected}\n\n```\n{said}\n```" if telling else expected
    if mismatch.expected is None:
        return f"Expected: as {framework} gives it."
    at = f" at {list(mismatch.index)}" if mismatch.index else ""
    rows = [f"| | value{at} |", "|---|---|", f"| {framework} | {value_text(entry, mismatch.expected)} |"]
    wide = baseline(entry)
    rows += [f"| {framework}, in float64 | {wide} |"] if wide is not None else []
    return "\n".join([*rows, f"| converted model, ONNX Runtime | {value_text(entry, mismatch.actual)} |"])


def _frames(traceback: str) -> str:
    """A traceback from the converter's own frames on, without underlining."""
    head, *frames = re.split(r"(?=^  File )", traceback.strip(), flags=re.MULTILINE)
    ours = [i for i, frame in enumerate(frames) if re.match(r'  File "(?:oracle|routes|logging|campaign)/', frame)]
    theirs = frames[ours[-1] + 1 if ours else 0 :] or frames[-1:]
    return re.sub(r"^ *[\^~]+ *\n", "", head + "".join(theirs), flags=re.MULTILINE).strip()


def _analysis(entry: Entry, project: str, bisections: Sequence[Bisection]) -> str:
    """The model as text, where the fault is, since which version, and what to look at first."""
    text, known = shown(entry.onnx), contents(entry.onnx)
    paragraphs = [" ".join(blame(entry))]
    suspect = culprit(entry, known)
    paragraphs += [f"Suspected: {suspect}."] if suspect else []
    since = [
        f"{bisection.package}: {'; '.join(conclusions(bisection))}."
        for bisection in bisections
        if bisection.script == digest(entry.repro)
    ]
    paragraphs += ["\n".join(since)] if since else []
    if text and project != "onnxruntime":
        paragraphs += [f"The converted model:\n\n```\n{text.strip()}\n```"]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
