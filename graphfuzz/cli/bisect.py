"""`graphfuzz bisect`: the version that brought a defect, or mended it."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from packaging.utils import canonicalize_name

from graphfuzz.cli.ops_probe import default_cache
from graphfuzz.corpus.bisection import (
    CANNOT_TELL,
    Bisection,
    Probe,
    changes,
    conclusions,
    digest,
    read_bisections,
    search,
    store_bisection,
)
from graphfuzz.corpus.entry import Entry, check_writable, read_entry
from graphfuzz.corpus.environments import (
    Uninstallable,
    between,
    check_requirements,
    environment,
    installed,
    known_versions,
    laid_over,
    unmet,
)
from graphfuzz.corpus.finding import Finding
from graphfuzz.corpus.rerun import patience, run_script, told
from graphfuzz.corpus.sightings import today


@click.command()
@click.argument("entry", type=click.Path(path_type=Path))
@click.option("--package", required=True, help="Whose versions to try: onnxruntime, torch, tf2onnx, onnxscript, ...")
@click.option("--from", "first", metavar="VERSION", help="The oldest to try. [default: the oldest for this Python]")
@click.option("--to", "last", metavar="VERSION", help="The newest to try. [default: the installed one]")
@click.option("--with", "companions", multiple=True, help="A requirement to install along with each (repeatable).")
@click.option("--all", "everything", is_flag=True, help="Try every version: defects may come and go.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Time limit a run. [default: by the entry's own]")
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Where environments are kept. [default: the user's cache]"
)
@click.option("--dry-run", is_flag=True, help="Do not store the result in the entry.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bisect(
    entry: Path,
    package: str,
    first: str | None,
    last: str | None,
    companions: tuple[str, ...],
    everything: bool,
    seconds: float | None,
    cache: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run ENTRY's repro.py with other versions of one package, and name the first bad version, or the first good one.

    \b
    bad          it fails as the entry says
    good         it runs to its end and does not
    cannot tell  anything else: it cannot be installed or imported, lacks an interface,
                 fails in another way, or takes too long; such versions are passed over

    Each version gets an environment of its own over the packages installed here, which is kept in the cache below
    `environments` (to be removed freely). First only the package itself is replaced; where that cannot tell, what
    the version requires of other packages as well. The result is stored in the entry; `graphfuzz show` tells it.

    Exit code: 0 where a version is named, 1 where all that can tell agree or none can, 2 for bad input.
    """
    found = read_entry(entry)
    name = canonicalize_name(package)
    check_requirements(companions)
    if not dry_run:
        check_writable(entry.resolve().parent)
        read_bisections(entry)  # what is damaged is told now, not after the work
    versions = between(known_versions(name), first, last or installed(name))
    limit, folder = seconds or patience(found.finding), (cache or default_cache()) / "environments"
    probes: dict[str, Probe] = {}

    def state(version: str) -> str:
        if version not in probes:
            click.echo(f"{name} {version}: ", err=True, nl=False)
            probes[version] = _probe(entry / "repro.py", found.finding, folder, name, version, companions, limit)
            click.echo(f"{probes[version].state}: {probes[version].said}", err=True)
        return probes[version].state

    if everything:
        for version in versions:
            state(version)
    else:
        search(versions, state)
    done = _bisection(found, name, companions, versions, [probes[version] for version in versions if version in probes])
    if not dry_run:
        store_bisection(entry, done)
    _report(done, as_json)
    sys.exit(0 if changes(done) else 1)


def _probe(
    script: Path, finding: Finding, folder: Path, package: str, version: str, companions: Sequence[str], seconds: float
) -> Probe:
    """Run the script with one version: alone among the packages of here, then with what it requires of others."""
    probe = Probe(version, CANNOT_TELL, "")
    try:
        for alone in (True, False):
            python = environment(folder, package, version, companions, alone=alone)
            beside = {name: other for name, other in laid_over(python).items() if name != package}
            probe = Probe(version, *told(finding, run_script(python, script, seconds)), beside)
            if probe.state != CANNOT_TELL or not unmet(python, package):
                break
    except Uninstallable as error:
        before = f"{probe.said}; with what it requires: " if probe.said else ""
        probe = Probe(version, CANNOT_TELL, f"{before}cannot be installed: {error}")
    return probe


def _bisection(
    entry: Entry, package: str, companions: Sequence[str], versions: Sequence[str], probes: Sequence[Probe]
) -> Bisection:
    others = {name: installed(name) for name in sorted(entry.finding.versions) if name not in ("graphfuzz", package)}
    return Bisection(
        package=package,
        script=digest(entry.repro),
        companions=tuple(sorted(companions)),
        python=platform.python_version(),
        others={name: version for name, version in others.items() if version},
        date=today(),
        versions=tuple(versions),
        probes=tuple(probes),
    )


def _report(bisection: Bisection, as_json: bool) -> None:
    if as_json:
        told = {"conclusions": conclusions(bisection), "changes": changes(bisection), "bisection": bisection}
        click.echo(json.dumps(msgspec.to_builtins(told), indent=2))
        return
    for probe in bisection.probes:
        beside = ", ".join(f"{name} {version}" for name, version in probe.beside.items())
        click.echo(f"{probe.version:<12} {probe.state:<12} {probe.said}{f' (with {beside})' if beside else ''}")
    click.echo(f"{bisection.package}: {'; '.join(conclusions(bisection))}")
