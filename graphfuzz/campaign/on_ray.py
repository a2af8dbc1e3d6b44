"""A cluster that is Ray's: one actor a node is the host there. The only module that imports Ray."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from graphfuzz.campaign.hosting import Host, installation
from graphfuzz.campaign.leasing import Line, Lost
from graphfuzz.errors import UsageError

LOCAL = "local"
"""The address that stands for a Ray of our own, on this machine alone."""
STORE = 256 << 20
"""Bytes of shared memory for what is lent, in a Ray of our own."""
SECONDS = 5.0
"""How long a host may take to stop by itself."""
CALLS = 4
"""How many of a host's methods run side by side."""
QUIET = {
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""What keeps Ray from writing to the terminal and from reporting its use to its makers, unless the user says more."""
PLAIN = {"RAY_memory_monitor_refresh_ms": "0"}
"""For a Ray of our own: each worker of ours has its limit of memory, and none is killed for what others take."""


class RayHost(Host):
    """A host that is a Ray actor."""

    def __init__(self, setup: bytes) -> None:
        # Processes of `multiprocessing` run their parent's main file again, and Ray's is not for them.
        vars(sys.modules["__main__"]).pop("__file__", None)
        super().__init__(setup)


class RayCluster:
    """The nodes of the Ray cluster at an address, as a context manager; `LOCAL` begins one of `number` CPUs (all of
    this machine's for None) and ends it.

    Entering it raises UsageError where Ray is missing or cannot be reached.
    """

    def __init__(self, address: str, number: int | None = None) -> None:
        self._address, self._number = address, number
        self._ids: dict[str, str] = {}
        self._open = ExitStack()

    def __enter__(self) -> RayCluster:
        for name, value in {**QUIET, **(PLAIN if self._address == LOCAL else {})}.items():
            os.environ.setdefault(name, value)
        try:
            import ray
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
        except ImportError as error:
            raise UsageError(f"--ray needs Ray, which is missing ({error}): pip install 'graphfuzz[ray]'") from None
        self._ray, self._there = ray, NodeAffinitySchedulingStrategy
        _check_answered(self._address)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL"}
        if self._address == LOCAL:
            place = tempfile.TemporaryDirectory(prefix="graphfuzz-ray-", ignore_cleanup_errors=True)
            folder = self._open.enter_context(place)
            options |= {"num_cpus": self._number, "include_dashboard": False, "object_store_memory": STORE}
            options["_temp_dir"] = folder
        try:
            self._open.callback(ray.shutdown)
            ray.init(address=self._address, **options)
        except Exception as error:
            self._open.close()
            raise UsageError(f"--ray {self._address}: {type(error).__name__}: {_line(error)}") from error
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def nodes(self) -> Mapping[str, int]:
        """The CPUs of each node that lives, by its name."""
        living = {_name(node): node for node in self._ray.nodes() if node["Alive"]}
        self._ids |= {name: node["NodeID"] for name, node in living.items()}
        return {name: int(node["Resources"].get("CPU", 0)) for name, node in living.items()}

    def installation(self, node: str, routes: Sequence[str]) -> Mapping[str, str]:
        """What is installed there. Raises Lost; UsageError where graphfuzz is missing."""
        task = self._ray.remote(installation).options(num_cpus=0, max_retries=0, **self._on(node))
        try:
            told: Mapping[str, str] = self._ray.get(task.remote(tuple(routes)))
        except self._ray.exceptions.RayTaskError as error:
            raise UsageError(f"what is installed there cannot be told: {_line(error)}") from error
        except self._ray.exceptions.RayError as error:
            raise Lost(_line(error)) from error
        return told

    def start(self, node: str, number: int, setup: bytes) -> Line:
        """A host on that node, on so many CPUs, once they are free."""
        kind = self._ray.remote(RayHost).options(num_cpus=number, max_concurrency=CALLS, **self._on(node))
        return _Line(self._ray, kind.remote(setup))

    def lend(self, data: bytes) -> Any:
        """What stands for it in Ray's store of objects."""
        return self._ray.put(data)

    def _on(self, node: str) -> dict[str, Any]:
        return {"scheduling_strategy": self._there(self._ids[node], soft=False)}


class _Line:
    """The way to an actor."""

    def __init__(self, ray: Any, host: Any) -> None:
        self._ray, self._host = ray, host
        self._given: deque[Any] = deque()

    def open(self) -> str:
        said: str = self._get(self._host.open.remote())[0]
        return said

    def give(self, lease: bytes, loans: Sequence[Any]) -> None:
        self._given.append(self._host.give.remote(lease, *loans))

    def harvest(self) -> bytes:
        given = [self._given.popleft() for _ in range(len(self._given))]  # did these leases arrive?
        news: bytes = self._get(*given, self._host.harvest.remote())[-1]
        return news

    def stop(self) -> None:
        with suppress(self._ray.exceptions.RayError):  # it may be gone
            self._ray.get(self._host.close.remote(), timeout=SECONDS)
        self._ray.kill(self._host)

    def _get(self, *promised: Any) -> list[Any]:
        try:
            got: list[Any] = self._ray.get(list(promised))
        except self._ray.exceptions.RayError as error:
            raise Lost(_line(error)) from error
        return got


def _check_answered(address: str) -> None:
    """Raise UsageError where nobody listens at a host and port: Ray itself would complain for a minute."""
    host, told, port = address.removeprefix("ray://").rpartition(":")
    if told and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=SECONDS).close()
        except (OSError, OverflowError) as error:
            raise UsageError(f"--ray {address}: nobody answers there ({error})") from error


def _name(node: Mapping[str, Any]) -> str:
    """The machine's name, and of the node's id, as one machine may be several nodes, what tells it from others."""
    return f"{node['NodeManagerHostname']}/{node['NodeID'][:8]}"


def _line(error: Exception) -> str:
    """The last line of what an error says, which names its cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:300]
