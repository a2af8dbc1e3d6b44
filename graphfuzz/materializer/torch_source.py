"""A graph as the source of a `torch.nn.Module`, and that source built and run."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphfuzz.graph import Array, Graph
from graphfuzz.materializer.loading import execute
from graphfuzz.materializer.walk import steps, used_in_calls
from graphfuzz.spec.registry import Registry

HEADER = "import numpy as np\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
_PARAMETER = "nn.Parameter(torch.from_numpy(np.array({})), requires_grad=False)"


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
    made += [f"self.{name} = " + _PARAMETER.format(f'weights["{name}"]') for name in used_in_calls(graph, walked)]
    for step in walked:
        if step.layer is not None:
            made.append(f"self.{step.node.name}_layer = {step.layer}")
            made += [
                f"self.{step.node.name}_layer.{target} = {_PARAMETER.format(source)}" for target, source in step.state
            ]
    ran = [f"{step.targets} = {step.call}" for step in walked]
    ran.append(f"return {', '.join(graph.outputs)}")
    arguments = ", ".join(["self", *(v.name for v in graph.inputs)])
    return (
        f"{HEADER}\n\nclass Model(nn.Module):\n    def __init__(self, weights):\n"
        + "".join(f"        {line}\n" for line in made)
        + f"\n    def forward({arguments}):\n"
        + "".join(f"        {line}\n" for line in ran)
    )


def build_torch(source: str, weights: dict[str, Array]) -> Any:
    """The module that the source defines, in evaluation mode."""
    return execute(source)["Model"](weights).eval()


def run_torch(model: Any, inputs: dict[str, Array]) -> list[Array]:
    """The module's outputs for these inputs."""
    import torch

    with torch.no_grad():
        made = model(*(torch.from_numpy(np.array(a)) for a in inputs.values()))
    return [t.numpy() for t in (made if isinstance(made, tuple) else (made,))]
