"""The processes in which a benchmark runs the frameworks."""

from __future__ import annotations

import multiprocessing
from functools import cache

from pebble import ProcessPool

from graphfuzz.spec import Registry, load_registry

WORKERS = 2
RECYCLE = 40
"""After how many tasks a worker is replaced: Keras keeps much of every model."""


def pool() -> ProcessPool:
    """`WORKERS` processes of one thread each."""
    context = multiprocessing.get_context("spawn")
    return ProcessPool(WORKERS, max_tasks=RECYCLE, initializer=_use_one_thread, context=context)


@cache
def registry() -> Registry:
    """All operators, loaded once a process."""
    return load_registry()


def _use_one_thread() -> None:
    import tensorflow as tf
    import torch

    torch.set_num_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
