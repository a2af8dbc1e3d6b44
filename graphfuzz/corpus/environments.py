"""Environments in which one package is of another version than here, and all others are this environment's own.

Key insight: a virtual environment whose path ends in the site-packages of the Python that runs now costs nothing but
what is installed over it, and pip, run for it, sees both: it installs what is missing, touches nothing outside, and
what it installs comes first. A guard in each such environment ends every process that would import the package from
elsewhere.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import psutil
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from graphfuzz.errors import UsageError

TEMPORARY = ".making-"
BASE = "graphfuzz-base.pth"

_PIP = (sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "--retries", "2")

_GAVE_UP = "Retry(total=0"
"""What pip says of an index before its last try to reach it."""


class Uninstallable(Exception):
    """A version that pip cannot install here; the text is pip's own word."""


def known_versions(package: str) -> list[str]:
    """The releases of a package that the index has as wheels for this Python, oldest first, without local parts.

    Raises UsageError where there are none, or an index cannot be reached: what another has is not all.
    """
    done = _pip("index", "versions", package, "--json", "--only-binary", ":all:")
    if done.returncode != 0 or _GAVE_UP in done.stderr:
        raise UsageError(f"no versions of '{package}' can be had: pip says: {_complaint(done.stderr)}")
    return sorted({Version(one).public for one in json.loads(done.stdout)["versions"]}, key=Version)


def between(versions: Sequence[str], first: str | None, last: str | None) -> list[str]:
    """Those from one version to another, both included. Raises UsageError for what is no version, and for none left."""
    begin, end = (_version(text) if text else None for text in (first, last))
    found = [one for one in versions if (begin or Version(one)) <= Version(one) <= (end or Version(one))]
    if not found:
        told = f"from {first or 'the oldest'} to {last or 'the newest'}"
        raise UsageError(f"there is no version {told}; there are {', '.join(versions)}")
    return found


def installed(package: str) -> str | None:
    """The version of a package here, without its local part; None where there is none."""
    try:
        return Version(metadata.version(package)).public
    except metadata.PackageNotFoundError:
        return None


def check_requirements(requirements: Sequence[str]) -> None:
    """Raises UsageError for one that is none."""
    for text in requirements:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise UsageError(f"'{text}' is no requirement ({error}); write it as pip has them: 'numpy<2'") from None


def environment(
    folder: Path, package: str, version: str, companions: Sequence[str] = (), *, alone: bool = False
) -> Path:
    """The Python of an environment with that version of a package and further requirements, below the folder.

    It is made where there is none yet: at once or not at all, and kept. alone: without what the version requires of
    other packages. Raises Uninstallable, and UsageError where the folder cannot be written.
    """
    sites = [str(Path(p).resolve()) for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    identity = [platform.python_version(), *sites, *sorted(_here(sites)), package, version, *sorted(companions), alone]
    mark = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:10]
    place = folder / f"{package}-{version}-{'alone' if alone else 'whole'}-{mark}"
    if not place.exists():
        try:
            _make(place, sites, package, version, companions, alone)
        except OSError as error:
            raise UsageError(f"{place}: cannot be made: {error.strerror or error}") from None
    return _python(place)


def laid_over(python: Path) -> dict[str, str]:
    """What is installed in an environment itself: versions by name, sorted."""
    found = metadata.distributions(path=[str(_site(python.parent.parent))])
    return dict(sorted((canonicalize_name(distribution.name), distribution.version) for distribution in found))


def unmet(python: Path, package: str) -> list[str]:
    """What a package that is laid over requires of others, and neither its environment nor this one has."""
    over = [str(_site(python.parent.parent)), *sys.path]
    (found, *_) = metadata.distributions(name=package, path=over)
    needs = [Requirement(text) for text in found.requires or ()]
    return [
        str(need) for need in needs if not need.marker or need.marker.evaluate({"extra": ""}) if not _has(over, need)
    ]


def _has(path: Sequence[str], need: Requirement) -> bool:
    found = next(iter(metadata.distributions(name=need.name, path=list(path))), None)
    return found is not None and need.specifier.contains(found.version, prereleases=True)


def guard(package: str, version: str) -> None:
    """End the process with exit code 3 where it would import another version of the package than this one."""
    import os
    import sys
    from importlib import metadata, util
    from pathlib import Path

    said = ""
    try:
        distribution = metadata.distribution(package)
        site = Path(str(distribution.locate_file(""))).resolve()
        if distribution.version.partition("+")[0] != version:
            said = f"{package} is {distribution.version} in {site}"
        for file in distribution.files or ():
            if len(file.parts) == 2 and file.parts[1] == "__init__.py":
                spec = util.find_spec(file.parts[0])
                if spec is None or Path(str(spec.origin)).resolve() != site / file:
                    said = f"{file.parts[0]} is not {package}'s"
    except metadata.PackageNotFoundError:
        said = f"{package} is missing"
    if said:
        print(f"Not the environment of {package} {version}: {said}", file=sys.stderr, flush=True)
        os._exit(3)


def _make(
    place: Path, sites: Sequence[str], package: str, version: str, companions: Sequence[str], alone: bool
) -> None:
    """Make an environment beside its place and move it there; another process may have been first."""
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(place.parent)
    temporary = place.with_name(f"{TEMPORARY}{os.getpid()}-{place.name}")
    try:
        venv.create(temporary, with_pip=False, symlinks=os.name != "nt")
        (_site(temporary) / BASE).write_text("".join(f"{site}\n" for site in sites))
        options = ["--no-deps"] if alone else []
        wanted = [f"{package}=={version}", *companions]
        done = _pip("install", "--only-binary", ":all:", "--no-compile", *options, *wanted, python=_python(temporary))
        if done.returncode != 0:
            raise Uninstallable(_complaint(done.stderr))
        own = f"{inspect.getsource(guard)}\n\nguard({package!r}, {version!r})\n"
        (_site(temporary) / "sitecustomize.py").write_text(own)
        if not place.exists():
            temporary.rename(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Clear away what killed makers left."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        maker = leftover.name.removeprefix(TEMPORARY).partition("-")[0]
        if maker.isdecimal() and not psutil.pid_exists(int(maker)):
            shutil.rmtree(leftover, ignore_errors=True)


def _here(sites: Sequence[str]) -> set[str]:
    """What is installed here. graphfuzz itself is no part of what a script sees."""
    found = metadata.distributions(path=list(sites))
    return {f"{one.name}=={one.version}" for one in found if one.name != "graphfuzz"}


def _python(place: Path) -> Path:
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _site(place: Path) -> Path:
    """The environment's own site-packages."""
    if os.name == "nt":
        return place / "Lib" / "site-packages"
    return place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _pip(*arguments: str, python: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run this environment's pip, for another Python where one is given. Raises UsageError where there is no pip."""
    target = ["--python", str(python)] if python else []
    done = subprocess.run([*_PIP, *target, *arguments], capture_output=True, text=True)
    if "No module named pip" in done.stderr:
        raise UsageError("bisect needs pip, which is not installed here: python -m ensurepip")
    return done


def _complaint(stderr: str) -> str:
    """pip's last error, after what it had warned of a connection."""
    lines = [" ".join(line.split()) for line in stderr.splitlines()]
    connection = [line for line in lines if "Retrying" in line or "connection" in line.lower()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return "; ".join([*connection[:1], *(errors[-1:] or lines[-1:])])[:400] or "nothing"


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UsageError(f"'{text}' is no version; write it as the index does: 1.20.1") from None
