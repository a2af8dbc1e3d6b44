"""A small disk of one's own, in memory, in a mount namespace; which needs root, or users' namespaces."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


def small_disk(folder: Path, size: str) -> list[str] | None:
    """The words before a command for which the folder is such a disk; None where there can be none. size: as mount
    reads it."""
    mounting = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    mount = f'mount -t tmpfs -o size={size} none "$0"'
    if not _succeeds([*mounting, "sh", "-c", mount, str(folder)]):
        return None
    return [*mounting, "sh", "-c", f'{mount} && exec "$@"', str(folder)]


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
