"""A route: source framework, converter, runtime. Installed routes are found by entry point, others named by module."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from graphfuzz.errors import UsageError
from graphfuzz.graph import Array, Axes
from graphfuzz.oracle.ledger import Ledger
from graphfuzz.oracle.target import Target
from graphfuzz.oracle.targets import ONNX_RUNTIME

GROUP = "graphfuzz.routes"
NOT_INSTALLED = "not installed"
"""In place of a version."""

Capture: TypeAlias = Callable[[Any, dict[str, Array], Axes, dict[str, Array]], list[Array]]
"""(source model, inputs, dynamic axes, other inputs) to the outputs for the others of the program captured for the
first."""

Without: TypeAlias = Callable[[], AbstractContextManager[Any]]
"""Switches something off while it is in effect."""


class Route(msgspec.Struct, frozen=True):
    """One way from a source model to outputs.

    framework: "torch" or "keras". converter: what its users call it. packages: the distributions whose versions matter.
    convert: (source model, inputs by name, dynamic axes) to what its target takes (ONNX's: `onnx.ModelProto`), whose
        inputs bear the names given; one self-contained function with its imports inside, because its very text goes
        into `repro.py`. helpers: the functions that it calls, of which the same is true.
    refused: whether an exception of `convert` is the converter's clean word that it does not support something.
    preload: the modules that a worker's fork server imports, so that a fresh worker has them at once; private ones
        (with "._" in their name) may be missing in some versions.
    captured: runs the program that the converter starts from, where it does not start from the source model itself.
    ledger: what the converter registers and a conversion uses of it, where that can be told.
    programs: what the source model becomes before any of its nodes is converted, by name, in order: runs it.
    without: the converter's own optimizations, by name: while in effect, `convert` does without. What comes after a
        slash is a part of what comes before.
    target: the format and the runtime. before: the way that this one goes on from, or leaves at the converted model:
        what is not right there already is not held against this one. extra: of graphfuzz, which installs what it needs;
        empty where graphfuzz itself does. is_default: whether it is taken where none is named.
    """

    name: str
    framework: str
    packages: tuple[str, ...]
    convert: Callable[[Any, dict[str, Array], Axes], Any]
    refused: Callable[[BaseException], bool]
    preload: tuple[str, ...] = ()
    captured: Capture | None = None
    ledger: Ledger | None = None
    converter: str = ""
    programs: Mapping[str, Capture] = MappingProxyType({})
    without: Mapping[str, Without] = MappingProxyType({})
    helpers: tuple[Callable[..., Any], ...] = ()
    target: Target = ONNX_RUNTIME
    before: Route | None = None
    extra: str = ""
    is_default: bool = False


def route_names() -> list[str]:
    """The routes at hand, also those of which something is missing."""
    return sorted(point.name for point in entry_points(group=GROUP))


def default_routes() -> list[str]:
    """Those that are taken where none is named."""
    return [name for name in route_names() if load_route(name).is_default]


def missing(route: Route) -> list[str]:
    """The distributions that the route needs, and that are not installed."""
    return [package for package in route.packages if _version(package) == NOT_INSTALLED]


def require_installed(route: Route) -> None:
    """Raises UsageError where something is missing."""
    lacking = missing(route)
    if lacking:
        how = how_to_install(route)
        raise UsageError(f"route '{route.name}' needs {', '.join(lacking)}, which is not installed: {how}")


def how_to_install(route: Route) -> str:
    """The command that installs what is missing."""
    return f"pip install 'graphfuzz[{route.extra}]'" if route.extra else f"pip install {' '.join(missing(route))}"


def load_route(name: str) -> Route:
    """The installed route of this name, or the one at "module:attribute", under that name. Raises UsageError."""
    points = {point.name: point.value for point in entry_points(group=GROUP)}
    target = points.get(name, name if ":" in name else None)
    if target is None:
        raise UsageError(f"there is no route '{name}'; choose among {', '.join(sorted(points))}")
    module, _, attribute = target.partition(":")
    try:
        route = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"route '{name}' cannot be loaded from {target}: {error}") from None
    if not isinstance(route, Route):
        raise UsageError(f"route '{name}': {target} is no Route")
    return msgspec.structs.replace(route, name=name)


def converter_of(name: str) -> str:
    """What the users of a route's converter call it; of a route that is not at hand, the route's name."""
    return (load_route(name).converter if name in route_names() else "") or name


def versions(route: Route) -> dict[str, str]:
    """The installed version of each distribution that matters to the route."""
    return installed(route.packages)


def installed(packages: Sequence[str]) -> dict[str, str]:
    """The installed version of each of these distributions, and of graphfuzz."""
    return {package: _version(package) for package in ("graphfuzz", *packages)}


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return NOT_INSTALLED
