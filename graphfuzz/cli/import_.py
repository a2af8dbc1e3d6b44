"""`graphfuzz import`: a case made of somebody else's model, and judged."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from graphfuzz.campaign.attributing import attributed
from graphfuzz.campaign.importing import learned, read, unlearned
from graphfuzz.campaign.probes import Cache
from graphfuzz.campaign.workers import Limits, Task, Workers
from graphfuzz.cli.ops_probe import default_cache
from graphfuzz.corpus.entry import add_entry, check_free, check_writable, make_entry, write_case
from graphfuzz.corpus.sightings import today
from graphfuzz.errors import UsageError
from graphfuzz.graph import Case, text
from graphfuzz.interchange import Given, Reader, Table, Translation, reader_of
from graphfuzz.oracle.route import default_routes, load_route
from graphfuzz.oracle.verdict import HARNESS_ERROR, Outcome
from graphfuzz.spec.registry import Registry, load_registry

FAULT = 3
"""The exit code where graphfuzz itself made a mistake, as that of `fuzz`."""

_ROUTE_HELP = "Judge it on this route (repeatable). [default: all of its framework]"
_FRAMEWORK_HELP = (
    "Have the case follow this framework's types. [default: the routes'; else torch where FILE leaves it open]"
)
_CONVERTER_HELP = "Of an ONNX model: learn ONNX's operators from this route's conversions. [default: the quickest]"
_INPUTS_HELP = "The model's inputs by name. [default: those beside FILE, else drawn]"
_SIZE_HELP = "The size of an axis that the model leaves open (repeatable). [default: 2]"
_PARTIAL_HELP = "Where operators are unknown, import the largest connected part that is known."


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("corpus"),
    help="The folder to store entries in. [default: corpus]",
)
@click.option("--route", "routes", multiple=True, help=_ROUTE_HELP)
@click.option("--framework", type=click.Choice(["torch", "keras"]), help=_FRAMEWORK_HELP)
@click.option("--converter", metavar="ROUTE", help=_CONVERTER_HELP)
@click.option("--inputs", type=click.Path(path_type=Path), metavar="FILE.npz", help=_INPUTS_HELP)
@click.option("--size", "sizes", multiple=True, metavar="NAME=N", help=_SIZE_HELP)
@click.option("--partial", is_flag=True, help=_PARTIAL_HELP)
@click.option(
    "--case", "folder", type=click.Path(path_type=Path), help="Store the case in this folder, whatever comes of it."
)
@click.option("--operators", "packs", multiple=True, type=click.Path(), help="A further operator pack (repeatable).")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Child processes.")
@click.option("--case-seconds", type=click.FloatRange(min=1), default=60, show_default=True, help="Time limit a route.")
@click.option(
    "--cache", type=click.Path(path_type=Path), help="The folder of what is learned. [default: the user's cache]"
)
def import_(
    file: Path,
    output: Path,
    routes: tuple[str, ...],
    framework: str | None,
    converter: str | None,
    inputs: Path | None,
    sizes: tuple[str, ...],
    partial: bool,
    folder: Path | None,
    packs: tuple[str, ...],
    workers: int,
    case_seconds: float,
    cache: Path | None,
) -> None:
    """Make a case of somebody else's model, judge it, and store an entry for each finding, which can be minimized; of
    a bucket that is there the smaller case stays.

    FILE is an ONNX model (.onnx), a Keras model (.keras), a folder with a saved model of TensorFlow, or a Python file
    (.py), which is run: it defines `model`, a torch.nn.Module or function of tensors, and `inputs`, a tuple of tensors;
    with --framework keras a Keras model and a tuple of NumPy's arrays. What our operators become is learned at the
    first import, which takes some minutes, and kept.

    Exit code: 0; 2 for bad input, which operators that are unknown are without --partial; 3 for a mistake of graphfuzz.
    """
    asked = framework or next((load_route(name).framework for name in routes), None)
    reader, registry = reader_of(file, asked, converter), load_registry(packs)
    given = _given(file, inputs, sizes)
    chosen = routes or tuple(name for name in default_routes() if load_route(name).framework == reader.framework)
    for name in chosen:
        if load_route(name).framework != reader.framework:
            raise UsageError(f"--route {name}: is not for {reader.framework}, which {file} is read as")
    check_writable(output)
    if folder is not None:
        check_free(folder)
        check_writable(folder)
    limits = Limits(seconds=case_seconds)
    with Workers(workers, chosen, packs=packs, limits=limits) as pool:
        table = _learned(reader, registry, Cache(cache or default_cache(), _warn), pool)
        translation = read(file.resolve(), given, reader, table, pool, partial)
        case = _told(file, translation)
        if folder is not None:
            click.echo(f"case    {write_case(folder, case)}")
        outcomes = [pool.submit(Task(route=name, case=case, recipe=None, plain=True)) for name in chosen]
        faults = [_conclude(case, f.result().outcome, pool, output, registry, limits) for f in outcomes]
    sys.exit(FAULT if any(faults) else 0)


def _given(file: Path, inputs: Path | None, sizes: tuple[str, ...]) -> Given:
    """What is said beside the file. Raises UsageError."""
    known: dict[str, int] = {}
    for stated in sizes:
        name, _, size = stated.rpartition("=")
        if not name or not size.isdecimal():
            raise UsageError(f"--size {stated}: must be NAME=N")
        known[name] = int(size)
    for option, value in (("inputs", inputs), ("size", known)):
        if value and file.suffix == ".py":
            raise UsageError(f"--{option}: {file} defines its inputs itself")
    if inputs is not None and not inputs.exists():
        raise UsageError(f"--inputs {inputs}: there is no such file")
    if inputs is not None and known:
        raise UsageError("--size: --inputs says all sizes")
    return Given(inputs, known)


def _learned(reader: Reader, registry: Registry, cache: Cache, pool: Workers) -> Table:
    todo = unlearned(reader, registry, cache)
    if not todo:
        return learned(reader, registry, cache, pool)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("learning", total=todo)

        def advance(name: str) -> None:
            progress.update(task, advance=1, description=f"learning what {name} becomes")

        return learned(reader, registry, cache, pool, advance)


def _told(file: Path, translation: Translation) -> Case:
    """The case, told. Raises UsageError where there is none."""
    for words in translation.told:
        click.echo(words)
    click.echo(f"{file}: {translation.calls} calls, {translation.known} known, {translation.alike} written alike")
    for unknown in translation.unknown:
        click.echo(f"unknown {unknown.target} × {unknown.count}: {unknown.reason}")
    left = translation.calls - translation.known
    if translation.case is None:
        more = "; --partial imports what is known" if translation.known else ""
        raise UsageError(f"{file}: {left} of {translation.calls} calls are of no operator that we know{more}")
    if left:
        click.echo(f"partial: {translation.taken} calls")
    click.echo(text(translation.case.graph))
    return translation.case


def _conclude(case: Case, outcome: Outcome, pool: Workers, output: Path, registry: Registry, limits: Limits) -> bool:
    """Tell the verdict, and store a finding. Whether graphfuzz made a mistake."""
    click.echo(f"{outcome.route}: {outcome.summary()}")
    if outcome.is_finding:
        blame = attributed(lambda task: pool.submit(task).result(), case, outcome)
        route, seconds = load_route(outcome.route), limits.seconds
        entry = make_entry(case, outcome, route, registry, today(), seconds=seconds, attribution=blame)
        click.echo(f"entry   {add_entry(output, entry)}")
    return outcome.verdict == HARNESS_ERROR


def _warn(words: str) -> None:
    click.echo(f"graphfuzz: {words}", err=True)
