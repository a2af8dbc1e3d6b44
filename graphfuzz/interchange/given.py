"""The inputs that a foreign model is run on: as given, as they lie beside it, or drawn."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from graphfuzz.errors import UsageError
from graphfuzz.graph import Array
from graphfuzz.interchange.reader import Given

UNKNOWN = 2
"""The size of an axis of which nothing is said."""

LARGEST = 9
"""The largest of the integers drawn: most foreign inputs of integers are positions in a table."""


class Declared(msgspec.Struct, frozen=True):
    """What a model says of an input. shape: sizes, and names (maybe empty) of those it leaves open; None where it does
    not even say the rank."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None


def chosen_inputs(
    file: Path, declared: Sequence[Declared], given: Given, beside: Mapping[str, Array] | None = None
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The inputs by name, in order, and what the user should know of them. Raises UsageError."""
    named = {size for about in declared for size in about.shape or () if isinstance(size, str)}
    for name in given.sizes:
        if name not in named:
            known = ", ".join(sorted(filter(None, named))) or "none"
            raise UsageError(f"--size {name}: {file} has no axis of this name; it has {known}")
    if given.inputs is not None:
        return _checked(_loaded(given.inputs), declared, str(given.inputs)), ()
    if beside is not None:
        return _checked(beside, declared, f"the inputs beside {file}"), ()
    drawn, told = _drawn(file, declared, given.sizes)
    return drawn, told


def _loaded(file: Path) -> Mapping[str, Array]:
    try:
        with np.load(file) as arrays:
            return dict(arrays)
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"--inputs {file}: cannot be read as an .npz file of arrays: {error}") from None


def _checked(arrays: Mapping[str, Array], declared: Sequence[Declared], where: str) -> dict[str, Array]:
    """The arrays in order. Raises UsageError where one lacks, is of no use, or is of another type."""
    names = [about.name for about in declared]
    for missing in (name for name in names if name not in arrays):
        raise UsageError(f"{where}: lacks the model's input {missing}; it has {', '.join(arrays) or 'nothing'}")
    for idle in arrays.keys() - set(names):
        raise UsageError(f"{where}: the model has no input {idle}; it has {', '.join(names)}")
    for about in declared:
        array = arrays[about.name]
        if str(array.dtype) != about.dtype:
            raise UsageError(f"{where}: {about.name} is {array.dtype}, the model takes {about.dtype}")
        if about.shape is not None and not _fits(array.shape, about.shape):
            raise UsageError(f"{where}: {about.name} is of shape {list(array.shape)}, the model's {list(about.shape)}")
    return {name: np.asarray(arrays[name]) for name in names}


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        isinstance(size, str) or size == own for own, size in zip(shape, wanted, strict=True)
    )


def _drawn(
    file: Path, declared: Sequence[Declared], sizes: Mapping[str, int]
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Inputs of the declared types, the same for the same types: floats of the normal distribution, small integers."""
    rng, drawn, told = np.random.default_rng(0), dict[str, Array](), list[str]()
    for about in declared:
        if about.shape is None:
            raise UsageError(f"{file}: does not say of which rank its input {about.name} is; give it by --inputs")
        shape = tuple(sizes.get(size, UNKNOWN) if isinstance(size, str) else size for size in about.shape)
        kind = np.dtype(about.dtype).kind
        if kind in "biu":
            drawn[about.name] = rng.integers(0, 2 if kind == "b" else LARGEST + 1, shape).astype(about.dtype)
        else:
            drawn[about.name] = rng.standard_normal(shape).astype(about.dtype)
        open_ = [size for size in about.shape if isinstance(size, str) and size not in sizes]
        free = f", {', '.join(name or '?' for name in open_)} = {UNKNOWN} unless --size says otherwise" if open_ else ""
        told.append(f"input   {about.name}: {about.dtype}{list(shape)} is drawn; --inputs gives others{free}")
    return drawn, tuple(told)
