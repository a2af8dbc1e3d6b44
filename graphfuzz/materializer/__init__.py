"""Source text for PyTorch and Keras: what is executed is what is reported."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from graphfuzz.graph import Array, Axes, Graph
from graphfuzz.materializer.keras_source import build_keras, keras_source, run_captured_keras, run_keras
from graphfuzz.materializer.torch_source import build_torch, run_torch, torch_source
from graphfuzz.spec.registry import Registry

__all__ = ["build", "run", "run_captured_keras", "source"]


def source(graph: Graph, registry: Registry, framework: str, axes: Axes = MappingProxyType({})) -> str:
    """The graph as Python source for "torch" or "keras". axes: those of unknown size; PyTorch's source is for any."""
    return torch_source(graph, registry) if framework == "torch" else keras_source(graph, registry, axes)


def build(text: str, framework: str, weights: dict[str, Array]) -> Any:
    """The source model from its text and weights."""
    return (build_torch if framework == "torch" else build_keras)(text, weights)


def run(model: Any, framework: str, inputs: dict[str, Array]) -> list[Array]:
    """The source model's outputs, in order."""
    return (run_torch if framework == "torch" else run_keras)(model, inputs)
