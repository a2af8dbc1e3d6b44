"""What PyTorch itself says of its operators, for the ledgers of its exporters."""

from __future__ import annotations

from typing import Any

SWITCHES = ("train", "training", "use_input_stats", "dropout_p", "dropout")
"""Arguments with which an operator that may be random is none: dropout and its like, in inference."""


def schemas(name: str) -> tuple[Any, ...]:
    """The schemas of all overloads of an operator "namespace::name", TorchScript's own included; none: no operator."""
    import torch

    return tuple(torch._C._jit_get_schemas_for_operator(name))


def overload(schema: Any) -> Any:
    """The callable operator (`torch._ops.OpOverload`) of a schema."""
    import torch

    namespace, _, name = schema.name.partition("::")
    return getattr(getattr(getattr(torch.ops, namespace), name), schema.overload_name or "default")


def is_random(schema: Any) -> bool:
    """Whether the operator's result is drawn: so tagged by PyTorch, and without an argument that ends it."""
    import torch

    tagged = torch.Tag.nondeterministic_seeded in overload(schema).tags
    return tagged and not any(argument.name in SWITCHES for argument in schema.arguments)


def has_tensor(schema: Any) -> bool:
    """Whether the operator takes or makes a tensor."""
    return any("Tensor" in str(value.type) for value in (*schema.arguments, *schema.returns))


def is_gradient(name: str) -> bool:
    """Whether the operator is the derivative of another, by PyTorch's naming ("x_backward")."""
    return name.partition(".")[0].endswith("_backward") or "_backward_" in name


NUMBERS = ("int", "float", "bool", "complex", "Scalar", "number", "str")


def is_of_numbers(schema: Any) -> bool:
    """Whether the operator takes and makes Python numbers (or strings) only, whatever their count."""
    values = (*schema.arguments, *schema.returns)
    stated = bool(values) and "..." not in str(schema)  # "...": any arguments at all
    return stated and all(str(value.type).strip("[]?").removeprefix("Optional[") in NUMBERS for value in values)
