"""Runs scripts one after another, each in a fork of a process that has imported PyTorch, ONNX and ONNX Runtime.

A script's own imports then take no time; all else is as in an interpreter of its own. As a program, it reads from
standard input a line a script, JSON: the script and where its output goes; and answers with the exit code.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Runner:
    """The process, seen from a test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, script: Path) -> subprocess.CompletedProcess[str]:
        """The script, run to its end in its own folder."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            self._process.stdin.write(json.dumps([str(script), str(out), str(err)]) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess([str(script)], code, out.read_text(), err.read_text())


@contextmanager
def warm_runner() -> Iterator[Runner]:
    """A runner, for as long as it is needed."""
    command = [sys.executable, "-W", "ignore", __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Runner(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    import ml_dtypes  # noqa: F401 - to have it at hand, as the others
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import torch

    torch.set_num_threads(1)  # else a fork hangs
    for line in sys.stdin:
        script, out, err = json.loads(line)
        child = os.fork()
        if child == 0:
            for number, path in ((1, out), (2, err)):
                os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY), number)
            os.chdir(Path(script).parent)
            os._exit(_code_of(script))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _code_of(script: str) -> int:
    """The exit code of a script, all that it wrote being written."""
    sys.argv = [script]
    try:
        runpy.run_path(script, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    _serve()
