"""PyTorch's modules as programs of ATen's operators, by `torch.export`.

https://docs.pytorch.org/docs/stable/export.ir_spec.html
"""

from __future__ import annotations

import runpy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from graphfuzz.errors import UsageError
from graphfuzz.graph import Array, Values
from graphfuzz.interchange.program import PLACE, Call, Program, constant, number, simplified
from graphfuzz.interchange.reader import Given, Reader
from graphfuzz.materializer.torch_source import as_array, as_tensor
from graphfuzz.spec.dtypes import KNOWN


class Aliased(Exception):
    """A call changes a tensor that shares its memory with another one that lives."""


def read(file: Path, given: Given) -> Program:
    """The module that a Python file defines as `model`, for its `inputs`. Running the file is part of it.

    Raises UsageError where the file cannot be run, does not define them, or `torch.export` does not capture the model.
    """
    import torch

    try:
        defined = runpy.run_path(str(file))
    except Exception as error:
        raise UsageError(f"{file}: cannot be run: {type(error).__name__}: {error}") from error
    model, inputs = defined.get("model"), defined.get("inputs")
    inputs = (inputs,) if isinstance(inputs, torch.Tensor) else inputs
    if not callable(model) or not isinstance(inputs, tuple | list):
        raise UsageError(f"{file}: must define `model`, a module or function, and `inputs`, a tuple of tensors")
    if not all(isinstance(tensor, torch.Tensor) for tensor in inputs):
        raise UsageError(f"{file}: `inputs` must be tensors alone; bind everything else in the model")
    module = model.eval() if isinstance(model, torch.nn.Module) else _module(model)
    try:
        return _program(module, tuple(inputs))
    except Exception as error:
        raise UsageError(f"{file}: torch.export does not capture it: {type(error).__name__}: {error}") from error


def captured(model: Any, inputs: Values) -> Program:
    """A source model's program. Raises whatever `torch.export` raises."""
    return _program(model, tuple(map(as_tensor, inputs.values())))


def run(call: Call, operands: Sequence[Array]) -> list[Array]:
    """A call's outputs for other operands. Raises whatever its kernel raises."""
    import torch

    tensors = list(map(as_tensor, operands))
    overload = _overload(call.target)
    given = [_decoded(argument.type, call.arguments[argument.name], tensors) for argument in overload._schema.arguments]
    named = {a.name: v for a, v in zip(overload._schema.arguments, given, strict=True) if a.kwarg_only}
    with torch.no_grad():
        made = overload(*given[: len(given) - len(named)], **named)
    return [as_array(tensor) for tensor in _tensors(made)]


def _module(function: Callable[..., Any]) -> Any:
    """A function as a module, which `torch.export` wants."""
    import torch

    class Function(torch.nn.Module):
        def forward(self, *inputs: Any) -> Any:
            return function(*inputs)

    return Function().eval()


def _program(module: Any, inputs: tuple[Any, ...]) -> Program:
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        exported = torch.export.export(module, inputs, strict=False)
        try:
            return _Interpreter(exported, inputs).program()
        except Aliased:
            return _Interpreter(exported.run_decompositions({}), inputs).program()


class _Interpreter:
    """Runs an exported program node by node, and writes it down.

    A call that changes its first operand is written as its functional form, its result taking the operand's place.
    """

    def __init__(self, exported: Any, inputs: Sequence[Any]) -> None:
        self.exported, self.inputs = exported, inputs
        self.made: dict[Any, Any] = {}
        """What each node of the graph makes."""
        self.names: dict[Any, Any] = {}
        """The same with names in the tensors' place."""
        self.live: dict[str, Any] = {}
        self.values: dict[str, Array] = {}
        self.calls: list[Call] = []
        self.numbers = count()

    def program(self) -> Program:
        """Raises Aliased, and whatever the operators raise."""
        inputs, weights = self._begin()
        for node in self.exported.graph.nodes:
            if node.op == "call_function":
                self._run(node)
            elif node.op == "get_attr":
                self.made[node] = self.names[node] = getattr(self.exported.graph_module, node.target)
        signature = self.exported.graph_signature
        named = {node.name: self.names.get(node) for node in self.exported.graph.nodes}
        outputs = [named.get(name) for name in signature.user_outputs if isinstance(name, str)]
        known = tuple(dict.fromkeys(name for name in outputs if isinstance(name, str)))
        constants = [
            self.names[node] for node in self.names if node.name in signature.inputs_to_lifted_tensor_constants
        ]
        return simplified(Program(tuple(inputs), tuple(weights), tuple(self.calls), known, self.values), constants)

    def _begin(self) -> tuple[list[str], list[str]]:
        signature, constants = self.exported.graph_signature, self.exported.constants
        held = {**self.exported.state_dict, **constants}
        sources = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        given, inputs, weights = iter(self.inputs), list[str](), list[str]()
        for node in self.exported.graph.nodes:
            if node.op == "placeholder":
                is_weight = node.name in sources
                tensor = held[sources[node.name]] if is_weight else next(given)
                self.made[node] = tensor.detach().clone()
                self.names[node] = self._kept(self.made[node])
                (weights if is_weight else inputs).append(self.names[node])
        return inputs, weights

    def _kept(self, tensor: Any) -> str:
        name = f"t{next(self.numbers)}"
        self.live[name] = tensor
        if str(tensor.dtype).removeprefix("torch.") in KNOWN and not tensor.is_sparse and not tensor.is_quantized:
            self.values[name] = as_array(tensor.detach().clone())
        return name

    def _run(self, node: Any) -> None:
        import operator

        import torch

        given = [self._value(a) for a in node.args]
        made = self.made[node] = node.target(*given, **{k: self._value(v) for k, v in node.kwargs.items()})
        if node.target is operator.getitem:
            self.names[node] = self.names[node.args[0]][node.args[1]]
            return
        mutates = isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
        operands: list[str] = []
        arguments = {name: self._written(value, operands) for name, value in _arguments(node)}
        if mutates:
            self._require_alone(operands, made)
        outputs = [self._kept(tensor) for tensor in _tensors(made)]
        target = _functional(node.target) if mutates else str(node.target)
        if outputs:
            self.calls.append(Call(target, arguments, tuple(operands), tuple(outputs)))
        self.names[node] = outputs[0] if isinstance(made, torch.Tensor) else outputs
        if mutates:
            self._replace(operands[0], outputs[0])

    def _value(self, argument: Any) -> Any:
        import torch

        return torch.fx.node.map_arg(argument, self.made.__getitem__)

    def _require_alone(self, operands: Sequence[str], made: Any) -> None:
        import torch

        if not operands or not isinstance(made, torch.Tensor) or made is not self.live[operands[0]]:
            raise Aliased
        memory = made.untyped_storage().data_ptr()
        for tensor in self.live.values():
            if tensor is not made and tensor.untyped_storage().data_ptr() == memory:
                raise Aliased

    def _replace(self, before: str, after: str) -> None:
        """Have all later uses of a changed tensor use what it was changed to."""
        self.live.pop(before)
        for node, named in self.names.items():
            if named == before:
                self.names[node] = after
            elif isinstance(named, list):
                self.names[node] = [after if name == before else name for name in named]

    def _written(self, value: Any, operands: list[str]) -> Any:
        """An argument as JSON, its tensors added to the operands."""
        import torch

        if isinstance(value, torch.fx.Node):
            named = self.names[value]
            if isinstance(named, str):
                operands.append(named)
                return {PLACE: len(operands) - 1}
            return str(value.target)
        if isinstance(value, list | tuple):
            return [self._written(item, operands) for item in value]
        if value is None or isinstance(value, bool | int | float | complex):
            return constant(value)
        return str(value).removeprefix("torch.")


def _arguments(node: Any) -> Iterator[tuple[str, Any]]:
    """A call's arguments by name, with the schema's defaults; those of what has no schema by position."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        yield from ((str(i), value) for i, value in enumerate(node.args))
        yield from node.kwargs.items()
        return
    for position, argument in enumerate(schema.arguments):
        if position < len(node.args):
            yield argument.name, node.args[position]
        else:
            yield argument.name, node.kwargs.get(argument.name, argument.default_value)


def _functional(overload: Any) -> str:
    """The functional form of an operator that changes its first operand. Raises Aliased where there is none."""
    name = str(overload)
    family, _, variant = name.rpartition(".")
    functional = f"{family.removesuffix('_')}.{variant}"
    try:
        schema = _overload(functional)._schema
    except AttributeError:
        raise Aliased from None
    if schema.is_mutable or [a.name for a in schema.arguments] != [a.name for a in overload._schema.arguments]:
        raise Aliased
    return functional


def _overload(target: str) -> Any:
    """The operator of a name such as `aten.add.Tensor`. Raises AttributeError."""
    import torch

    space, name, variant = target.split(".")
    return getattr(getattr(getattr(torch.ops, space), name), variant)


def _tensors(made: Any) -> list[Any]:
    """The tensors that a call makes, in order."""
    import torch

    return [made] if isinstance(made, torch.Tensor) else [t for t in made or () if isinstance(t, torch.Tensor)]


def _decoded(kind: Any, value: Any, tensors: Sequence[Any]) -> Any:
    """An argument as a call takes it, from its JSON."""
    import torch

    if isinstance(value, Mapping):
        return tensors[value[PLACE]]
    if isinstance(value, list):
        return [_decoded(kind, item, tensors) for item in value]
    if isinstance(value, str):
        if (read := number(value)) is not None:
            return read
        plain = getattr(torch, value, None)
        return plain if isinstance(plain, torch.dtype | torch.memory_format | torch.layout) else value
    return value


reader = Reader(
    name="torch.export",
    framework="torch",
    packages=("torch", "numpy"),
    preload=("torch", "torch._export.non_strict_utils"),
    read=read,
    captured=captured,
    run=run,
)
