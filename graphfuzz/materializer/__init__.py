"""Source text for PyTorch and Keras: what is executed is what is reported."""

from __future__ import annotations

from typing import Any

from graphfuzz.graph import Array, Graph
from graphfuzz.materializer.keras_source import build_keras, keras_source, run_captured_keras, run_keras
from graphfuzz.materializer.torch_source import build_torch, run_torch, torch_source
from graphfuzz.spec.registry import Registry

__all__ = ["build", "run", "run_captured_keras", "source"]


def source(graph: Graph, registry: Registry, framework: str) -> str:
    """The graph as Python source for "torch" or "keras"."""
    return (torch_source if framework == "torch" else keras_source)(graph, registry)


def build(text: str, framework: str, weights: dict[str, Array]) -> Any:
    """The source model from its text and weights."""
    return (build_torch if framework == "torch" else build_keras)(text, weights)


def run(model: Any, framework: str, inputs: dict[str, Array]) -> list[Array]:
    """The source model's outputs, in order."""
    return (run_torch if framework == "torch" else run_keras)(model, inputs)
