"""What an exception goes back to: its root cause, and the places in which that was raised."""

from __future__ import annotations

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
    """The (file, function) pairs that raised the exception, the innermost first, at most `depth`."""
    places: list[tuple[str, str]] = []
    step: TracebackType | None = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.insert(0, (code.co_filename.replace("\\", "/"), code.co_name))
        step = step.tb_next
    return places[:depth]


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
    complaints = _COMPLAINT.findall(str(error))
    return bool(complaints) and all(complaint.startswith(_ABOUT_SHAPES) for complaint in complaints)
