"""Entries exported: as a script, as a test of the project that is at fault, as data for runtimes, as a bug report.

A format is a function from an entry and the operators to files, by their paths below the folder that they go to. It
imports no target, and raises UsageError for an entry that it cannot say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.export.onnx_backend import onnx_backend
from graphfuzz.corpus.export.report import PROJECTS, report
from graphfuzz.corpus.export.script import script
from graphfuzz.corpus.export.tf2onnx_test import tf2onnx_test
from graphfuzz.corpus.export.torch_pytest import torch_pytest
from graphfuzz.spec.registry import Registry

Export: TypeAlias = Callable[[Entry, Registry], Mapping[str, bytes]]

FORMATS: Mapping[str, Export] = {
    "script": script,
    "torch-pytest": torch_pytest,
    "tf2onnx-test": tf2onnx_test,
    "onnx-backend": onnx_backend,
    "report": report,
}

__all__ = ["FORMATS", "PROJECTS", "Export", "report"]
