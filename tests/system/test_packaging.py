"""The wheel carries both packages, typed, and what the entry points name."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_carries_both_packages(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        points = next(archive.read(n).decode() for n in names if n.endswith("entry_points.txt"))
    modules = {
        str(p.relative_to(ROOT)) for package in ("graphfuzz", "operators") for p in (ROOT / package).rglob("*.py")
    }
    assert modules <= names
    assert {"graphfuzz/py.typed", "operators/py.typed"} <= names
    assert not any(n.startswith(("tests/", "benchmarks/", "corpus/")) for n in names)
    for said in ("graphfuzz = graphfuzz.cli:main", "operators = operators", "tf2onnx-ort = "):
        assert said in points
