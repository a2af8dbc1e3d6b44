"""NNSmith's fuzz loop, run by the interpreter of an environment of its own: `peer_fuzz.py SECONDS SEED FOLDER`; then
`peer_fuzz.py FOLDER` writes the inputs of each report at or below a folder beside its model, as `inputs.npz`.

Its version is older than the packages under test. What they have dropped since is put back, and nothing else: torch's
exporter is the one that it was written for, and `onnx._serialize` is there. In the end the counts are written as
`counts.json` in the folder, which the loop makes.
"""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

SYSTEM = ("model.type=onnx", "backend.type=onnxruntime")


def loop(seconds: str, seed: str, folder: str) -> None:
    """Fuzz for so many seconds."""
    import onnx
    import torch

    exported: Any = torch.onnx.export
    torch.onnx.export = lambda *given, **named: exported(*given, **{"dynamo": False, **named})
    onnx.__dict__.setdefault("_serialize", lambda model: model.SerializeToString())
    from nnsmith.cli import fuzz

    loops: list[Any] = []

    class Loop(fuzz.FuzzingLoop):  # type: ignore[misc]
        def __init__(self, cfg: Any) -> None:
            super().__init__(cfg)
            loops.append(self)

    fuzz.FuzzingLoop = Loop
    torch.set_num_threads(1)
    sys.argv[1:] = [*SYSTEM, f"fuzz.time={seconds}s", f"fuzz.seed={seed}", f"fuzz.root={folder}", "hydra.run.dir=."]
    fuzz.main()
    status = loops[0].status
    counts = {"tested": status.n_testcases, "reports": status.n_bugs, "not_made": status.n_fail_make_test}
    Path(folder, "counts.json").write_text(json.dumps(counts))


def write_inputs(folder: str) -> None:
    """Each report's inputs, in a form that needs no unpickling."""
    import numpy as np

    for oracle in Path(folder).rglob("oracle.pkl"):
        with oracle.open("rb") as file:
            inputs = pickle.load(file)["input"]
        arrays: dict[str, Any] = {name: np.asarray(array) for name, array in inputs.items()}
        np.savez(oracle.with_name("inputs.npz"), **arrays)


if __name__ == "__main__":
    loop(*sys.argv[1:4]) if len(sys.argv) > 2 else write_inputs(sys.argv[1])
