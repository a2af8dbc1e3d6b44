"""A graph as the source of a `torch.nn.Module`, and that source built and run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphfuzz.graph import Array, Graph
from graphfuzz.materializer.loading import execute
from graphfuzz.materializer.walk import helpers, steps, used_in_calls
from graphfuzz.spec.registry import Registry

HEADER = "import numpy as np\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n"


def torch_source(graph: Graph, registry: Registry) -> str:
    """Python source that defines `Model(weights)`, whose `forward` takes the inputs in order."""
    walked = steps(
        graph,
        registry,
        "torch",
        weight_text=lambda name: f"self.{name}",
        layer_text=lambda node: f"self.{node.name}_layer",
    )
    made = ["super().__init__()"]
    parameter = _parameter_writer(graph)
    made += [f"self.{name} = " + parameter(f'weights["{name}"]') for name in used_in_calls(graph, walked)]
    for step in walked:
        if step.layer is not None:
            made.append(f"self.{step.node.name}_layer = {step.layer}")
            made += [f"self.{step.node.name}_layer.{target} = {parameter(source)}" for target, source in step.state]
    ran = [f"{step.targets} = {step.call}" for step in walked]
    ran.append(f"return {', '.join(graph.outputs)}")
    arguments = ", ".join(["self", *(v.name for v in graph.inputs)])
    return (
        f"{HEADER}\n\n{helpers(walked)}class Model(nn.Module):\n    def __init__(self, weights):\n"
        + "".join(f"        {line}\n" for line in made)
        + f"\n    def forward({arguments}):\n"
        + "".join(f"        {line}\n" for line in ran)
    )


def _parameter_writer(graph: Graph) -> Callable[[str], str]:
    """Writes a parameter from an expression over `weights`; PyTorch reads no bfloat16 of NumPy's."""
    halves = [f'weights["{w.name}"]' for w in graph.weights if w.dtype == "bfloat16"]

    def parameter(source: str) -> str:
        if any(half in source for half in halves):
            tensor = f'torch.from_numpy(np.array({source}, "float32")).to(torch.bfloat16)'
        else:
            tensor = f"torch.from_numpy(np.array({source}))"
        return f"nn.Parameter({tensor}, requires_grad=False)"

    return parameter


def build_torch(source: str, weights: dict[str, Array]) -> Any:
    """The module that the source defines, in evaluation mode."""
    return execute(source)["Model"](weights).eval()


def run_torch(model: Any, inputs: dict[str, Array]) -> list[Array]:
    """The module's outputs for these inputs."""
    import torch

    with torch.no_grad():
        made = model(*map(as_tensor, inputs.values()))
    return [as_array(t) for t in (made if isinstance(made, tuple) else (made,))]


def as_tensor(array: Array) -> Any:
    """An array as a tensor of its own; PyTorch reads no bfloat16 of NumPy's."""
    import ml_dtypes
    import torch

    half = array.dtype == ml_dtypes.bfloat16
    return torch.from_numpy(np.array(array, "float32" if half else None)).to(torch.bfloat16 if half else None)


def as_array(tensor: Any) -> Array:
    """A tensor as an array."""
    import ml_dtypes
    import torch

    half = tensor.dtype == torch.bfloat16
    return np.asarray(tensor.float().numpy(force=True).astype(ml_dtypes.bfloat16) if half else tensor.numpy(force=True))
