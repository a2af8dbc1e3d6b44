"""The processes in which a benchmark runs the frameworks."""

from __future__ import annotations

import multiprocessing
from functools import cache

from pebble import ProcessPool

from graphfuzz.oracle.route import default_routes, load_route
from graphfuzz.spec import Registry, load_registry
from graphfuzz.spec.registry import installed_packs

WORKERS = 2
RECYCLE = 40
"""After how many tasks a worker is replaced: Keras keeps much of every model."""


def pool(recycle: int = RECYCLE) -> ProcessPool:
    """`WORKERS` processes of one thread each, replaced after so many tasks; forked from a server that has imported the
    frameworks and the operators, so that a replacement costs little."""
    context = multiprocessing.get_context("forkserver")
    preloads = [module for name in default_routes() for module in load_route(name).preload]
    packs = [point.module for point in installed_packs()]
    modules = dict.fromkeys((*preloads, *packs))
    context.set_forkserver_preload(["graphfuzz.campaign.forkserver", *modules, "benchmarks.pool"])
    return ProcessPool(WORKERS, max_tasks=recycle, initializer=_use_one_thread, context=context)


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
