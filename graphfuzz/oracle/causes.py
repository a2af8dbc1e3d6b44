"""What an exception goes back to: its root cause, and the places in which that was raised."""

from __future__ import annotations

import opcode
import re
from types import TracebackType


def root_cause(error: BaseException) -> BaseException:
    """The first of a chain of exceptions: along `raise ... from`, else along the one that was being handled."""
    seen = {id(error)}
    while True:
        earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if earlier is None or id(earlier) in seen:
            return error
        seen.add(id(earlier))
        error = earlier


def class_name(error: BaseException) -> str:
    """The exception's class with its module; builtins and our own without."""
    kind = type(error)
    named = kind.__module__.partition(".")[0] not in ("builtins", "graphfuzz")
    return f"{kind.__module__}.{kind.__qualname__}" if named else kind.__qualname__


def raised_in(error: BaseException, depth: int = 2) -> list[tuple[str, str]]:
    """The (file, qualified function) pairs that raised the exception, the innermost first, at most `depth`."""
    codes = [step.tb_frame.f_code for step in reversed(_steps(error))]
    return [(code.co_filename.replace("\\", "/"), code.co_qualname) for code in codes[:depth]]


def by_statement(error: BaseException) -> bool:
    """Whether a `raise` or `assert` of the innermost place raised the exception, not something in C that it called."""
    steps = _steps(error)
    return bool(steps) and steps[-1].tb_frame.f_code.co_code[steps[-1].tb_lasti] == opcode.opmap["RAISE_VARARGS"]


def _steps(error: BaseException) -> list[TracebackType]:
    """The traceback, the outermost place first."""
    steps: list[TracebackType] = []
    step = error.__traceback__
    while step is not None:
        steps.append(step)
        step = step.tb_next
    return steps


ALLOCATORS = (
    "DefaultCPUAllocator: not enough memory",
    "DefaultCPUAllocator: can't allocate memory",
    "Failed to allocate memory for requested buffer",
    "std::bad_alloc",
)
"""What the allocators of PyTorch (the first two) and ONNX Runtime, and C++ itself, say in a RuntimeError or such."""


def out_of_memory(error: BaseException) -> bool:
    """Whether the root cause is a MemoryError, or what a target makes of an allocation that failed."""
    root = root_cause(error)
    if isinstance(root, MemoryError) or type(root).__name__ == "ResourceExhaustedError":
        return True
    return any(said in str(root) for said in ALLOCATORS)


_COMPLAINT = re.compile(r"\[\w+InferenceError\] (?!Inference error)(.*)")
_ABOUT_SHAPES = (
    "Inferred shape and existing shape differ",
    "Incompatible dimensions",
    "Can't merge shape info",
    "Mismatch between number of inferred and declared dimensions",
    "Dimension mismatch in unification",
    "Dimension value inferred",
    "Ranks inferred",
)
"""How ONNX's shape inference says that a shape is not the one that it found, or that two do not fit."""


def disputes_shapes(error: BaseException) -> bool:
    """Whether all complaints of an InferenceError, which it makes node by node, are about sizes and ranks."""
    said = _COMPLAINT.findall(str(error))
    return bool(said) and all(each.startswith(_ABOUT_SHAPES) for each in said)


_OBJECTION = re.compile(r"^\(op_type:.*?(?=^\(op_type:|\Z)", re.MULTILINE | re.DOTALL)
_LISTED = "Inference error(s): "
_FOLLOWS = "expected to have type but instead is null"


def complaints(message: str) -> list[str]:
    """The objections of ONNX's shape inference, which it lists node by node, in an order that may differ from one
    conversion to the next; any other message alone. That there is no type to take on follows from another objection."""
    head, listed, rest = message.partition(_LISTED)
    found = [f"{head}{each.strip()}" for each in _OBJECTION.findall(rest)] if listed else []
    return [each for each in found if not each.endswith(_FOLLOWS)] or found or [message]
