"""Imported by the workers' fork server before anything else, and by nothing else: makes that process quiet and plain.

The targets read these variables when they are imported, and some write to the terminal then. The workers, which
are forked from the server, inherit both. It then imports what `GRAPHFUZZ_PRELOAD` names.
"""

import contextlib
import importlib
import os

os.environ.update(
    CUDA_VISIBLE_DEVICES="",
    TF_CPP_MIN_LOG_LEVEL="3",
    TF_ENABLE_ONEDNN_OPTS="1",
    KERAS_BACKEND="tensorflow",
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
)
_nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(_nowhere, 1)
os.dup2(_nowhere, 2)
os.close(_nowhere)

for _module in os.environ.pop("GRAPHFUZZ_PRELOAD", "").split():
    with contextlib.suppress(Exception):  # a worker that needs it meets the same error, and tells it
        importlib.import_module(_module)
