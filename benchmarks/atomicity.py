"""What a corpus loses: to kill -9 at random instants, to a full disk, in a read-only folder, to two writers at once.

A writer says on a pipe what it is about to do and, when it is back, that it is done. When it has been killed, the
corpus is read: all that was done must be there, what was under way must be there as before or as after, and every entry
must be whole: each of its files tells the same number. The next writer goes on in the same corpus.

Full and read-only disks are small ones of their own, in memory, in a mount namespace (which needs root, or users'
namespaces); where there are none, a limit on the size of files and the folder's permissions stand in, and the result
says so. What a loss of power does is not measured: that files and folders are synced before they count is all that is
done for it.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np
from rich.table import Table

from benchmarks.small_disk import small_disk
from graphfuzz.corpus.entry import (
    Entry,
    add_entry,
    check_writable,
    count_sighting,
    entries,
    read_entry,
    remove_entry,
    write_entry,
)
from graphfuzz.corpus.index import open_index
from graphfuzz.corpus.merging import merge
from graphfuzz.corpus.pruning import carry_out, superfluous
from graphfuzz.corpus.sightings import count
from graphfuzz.corpus.storage import ASIDE, TEMPORARY
from graphfuzz.errors import EntryError, GraphfuzzError

ROOT = Path(__file__).parents[1]
SEED = 20261122
KILLS, QUICK_KILLS = 200, 12
BUCKETS = 6
LONGEST = 0.3
"""The longest a writer lives, in seconds; an operation takes some milliseconds."""
TODAY = "2026-11-22"
DISK = "2m"

State = tuple[int, int] | None
"""Of a bucket: the number that its files tell, and how many findings are counted. None where there is none."""
States = dict[str, State]
Tell = Callable[[dict[str, Any]], object]


def run(quick: bool) -> dict[str, Any]:
    """Every trial once. All of `lost`, `half_written` and `errors` should be 0."""
    with tempfile.TemporaryDirectory(prefix="graphfuzz-atomicity-") as folder:
        root = Path(folder)
        return {
            "kills": kills(root / "kills", QUICK_KILLS if quick else KILLS),
            "two_writers": two_writers(root / "two", 15 if quick else 300),
            "killed_beside_another": killed_beside_another(root / "beside", 3 if quick else 50),
            "full_disk": elsewhere("full"),
            "read_only": elsewhere("readonly"),
        }


def render(result: dict[str, Any]) -> Table:
    """A row a trial."""
    table = Table("trial", "tried", "lost", "half-written", "errors", "notes", title="atomicity", title_justify="left")
    for name, found in result.items():
        known = ("tried", "lost", "half_written", "errors")
        notes = ", ".join(f"{key} {value}" for key, value in found.items() if key not in known)
        table.add_row(name.replace("_", " "), *(str(found[key]) for key in known), notes)
    return table


# Entries that tell a number in each of their files.


def numbered(bucket: str, number: int) -> Entry:
    """An entry of a bucket all of whose files tell this number: arrays, finding, script and model."""
    template = _template()
    finding = msgspec.structs.replace(
        template.finding,
        slug=bucket,
        message=str(number),
        first_seen=TODAY,
        signature=msgspec.structs.replace(template.finding.signature, message=bucket),
    )
    graph = template.case.graph
    tensors = {name: np.full(array.shape, number % 100, array.dtype) for name, array in template.case.tensors.items()}
    return Entry(
        msgspec.structs.replace(template.case, graph=graph, tensors=tensors, origin={"seed": 0, "index": number}),
        finding,
        {},
        f"# {number}\n" + "#" * (number * 977 % 20000) + "\n",
        str(number).encode() * (1 + number * 131 % 3000),
    )


def number_of(entry: Entry) -> int | None:
    """The number that all files of an entry tell; None where they do not agree."""
    number = int(entry.finding.message)
    told = numbered(entry.slug, number)
    same = (
        entry.case.origin["index"] == number
        and entry.repro == told.repro
        and entry.model == told.model
        and all(np.array_equal(entry.case.tensors[name], array) for name, array in told.case.tensors.items())
    )
    return number if same else None


_TEMPLATES: list[Entry] = []


def _template() -> Entry:
    if not _TEMPLATES:
        paths = entries([ROOT / "corpus"])
        _TEMPLATES.append(min(map(read_entry, paths), key=lambda e: (len(e.case.bindings), e.size())))
    return _TEMPLATES[0]


def look(corpus: Path) -> tuple[States, int]:
    """What a corpus holds, by bucket, and how many of its entries are not whole."""
    found: States = {}
    broken = 0
    for path in entries([corpus]) if corpus.exists() else []:
        try:
            entry = read_entry(path)
        except EntryError:
            broken += 1
            continue
        number = number_of(entry)
        broken += number is None
        found[str(path.relative_to(corpus))] = (number or 0, count(entry.seen))
    return found, broken


# Kills.


def kills(root: Path, times: int) -> dict[str, Any]:
    """A writer killed again and again in one corpus. tried: kills that met a living writer.

    under_way: what was being done. leftovers: temporary things found; stepped_aside: entries of which the older one had
    stepped aside when their writer died.
    """
    rng = random.Random(SEED)
    corpus, other = root / "corpus", root / "other"
    for i in range(3):
        write_entry(other, numbered(f"merged-{i}", i))
    known: States = {}
    under_way: Counter[str] = Counter()
    lost = half = errors = done = leftovers = aside = 0
    for attempt in range(times):
        seed, delay = rng.getrandbits(32), rng.uniform(0, LONGEST)
        said, failed = _killed(partial(_work, corpus, other, seed, dict(known), attempt), delay)
        errors += failed
        if corpus.exists():
            names = [path.name for path in corpus.rglob(".*")]
            leftovers += sum(name.startswith(TEMPORARY) for name in names)
            aside += sum(name.startswith(ASIDE) for name in names)
        found, broken = look(corpus)
        half += broken
        known, pending = _replayed(known, said)
        done += sum(line["is"] == "done" for line in said)
        under_way[pending["what"] if pending else "nothing"] += 1
        lost += _lost(known, pending, found)
        known = found
        if attempt % 5 == 4:
            check_writable(corpus)
            after, broken = look(corpus)
            left = [path for path in corpus.iterdir() if path.name.startswith((TEMPORARY, ASIDE))]
            lost += after != found
            half += broken + len(left)
    return {
        "tried": times,
        "lost": lost,
        "half_written": half,
        "errors": errors,
        "operations": done,
        "under_way": dict(sorted(under_way.items())),
        "leftovers": leftovers,
        "stepped_aside": aside,
    }


def _work(corpus: Path, other: Path, seed: int, known: States, attempt: int, tell: Tell) -> NoReturn:
    """Do one thing after another, each said before and after with the states that it may leave."""
    rng = random.Random(seed)
    number = attempt * 10_000
    while True:
        number += 1
        bucket = f"bucket-{rng.randrange(BUCKETS)}"
        state = known.get(bucket)
        what = rng.choice(["write", "write", "write", "count", "count", "remove", "merge", "prune"])
        after: States = {}
        act: Callable[[], object]
        if what == "write":
            after[bucket] = (number, state[1] if state else 1)
            act = partial(write_entry, corpus, numbered(bucket, number))
        elif what == "count":
            after[bucket] = (state[0], state[1] + 1) if state else None
            act = partial(count_sighting, corpus / bucket, TODAY, {}, f"{TODAY} seed 0")
        elif what == "remove":
            if state is None:
                continue
            after[bucket] = None
            act = partial(remove_entry, corpus / bucket)
        elif what == "merge":
            after = {f"merged-{i}": known.get(f"merged-{i}") or (i, 1) for i in range(3)}
            act = partial(_merge, other, corpus)
        else:
            after = {"pruned-0": None, "copies/pruned-0": (0, 1)}
            act = partial(_copy_and_prune, corpus)
        tell({"is": "begun", "what": what, "after": after})
        act()
        tell({"is": "done", "after": after})
        known.update(after)


def _merge(other: Path, corpus: Path) -> None:
    for _ in merge(entries([other]), corpus):
        pass


def _copy_and_prune(corpus: Path) -> None:
    """Put an entry at two places, and have the corpus pruned of the one that is superfluous."""
    add_entry(corpus / "copies", numbered("pruned-0", 0))
    add_entry(corpus, numbered("pruned-0", 0))
    with open_index(corpus) as index:
        rows = [row for row in index.rows() if row.path.endswith("pruned-0")]
    carry_out(corpus, superfluous(rows))


def _killed(work: Callable[[Tell], NoReturn], delay: float) -> tuple[list[dict[str, Any]], int]:
    """What a writer said that was killed after so many seconds, and whether it had failed on its own (1) or not (0)."""
    process, pipe = _started(work)
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    return _said(process, pipe)


def _started(work: Callable[[Tell], object]) -> tuple[int, int]:
    """A forked process that does the work, and the pipe that it speaks on: one JSON line each."""
    _template()
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    code = 1
    try:
        os.close(reading)
        work(lambda line: os.write(writing, json.dumps(line).encode() + b"\n"))
        code = 0
    except BaseException:  # noqa: BLE001 - the end of a process of our own: told by its exit code, and shown
        traceback.print_exc()
    finally:
        os._exit(code)


def _said(process: int, pipe: int) -> tuple[list[dict[str, Any]], int]:
    with os.fdopen(pipe) as file:
        lines = [json.loads(line) for line in file if line.endswith("\n")]
    _, status = os.waitpid(process, 0)
    return lines, int(os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0)


def _replayed(known: States, said: Sequence[dict[str, Any]]) -> tuple[States, dict[str, Any] | None]:
    """The states after all that was done, and what was under way."""
    states, pending = dict(known), None
    for line in said:
        pending = line if line["is"] == "begun" else None
        if line["is"] == "done":
            states.update(_states(line))
    return states, pending


def _states(line: dict[str, Any]) -> States:
    return {bucket: tuple(state) if state else None for bucket, state in line["after"].items()}


def _lost(known: States, pending: dict[str, Any] | None, found: States) -> int:
    """How many buckets are neither as they were nor as what was under way would leave them."""
    after = _states(pending) if pending else {}
    lost = 0
    for bucket in known.keys() | after.keys() | found.keys():
        allowed = {known.get(bucket)} | ({after[bucket]} if bucket in after else set())
        if bucket == "pruned-0" and pending and pending["what"] == "prune":
            allowed.add((0, 1))  # there for as long as pruning takes
        lost += found.get(bucket) not in allowed
    return lost


# Two writers.


def two_writers(corpus: Path, times: int) -> dict[str, Any]:
    """Two processes that add and count the same buckets, while a third reads. tried: what both did.

    lost: findings not counted, buckets not there; errors: of the writers, and reads that failed.
    """
    writers = [_started(partial(_share, corpus, me, times)) for me in range(2)]
    reads = failed = 0
    while any(os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None for process, _ in writers):
        _, broken = look(corpus)
        failed += broken
        reads += 1
    errors = sum(_said(*writer)[1] for writer in writers)
    found, half = look(corpus)
    counted = sum(state[1] for state in found.values() if state)
    expected = 2 * times + BUCKETS
    return {
        "tried": 2 * times,
        "lost": abs(expected - counted) + BUCKETS - len(found),
        "half_written": half,
        "errors": errors + failed,
        "reads": reads,
    }


def _share(corpus: Path, me: int, times: int, _: Tell) -> None:
    rng = random.Random(SEED + me)
    for turn in range(times):
        bucket = f"bucket-{turn % BUCKETS}"
        if rng.random() < 0.5:
            add_entry(corpus, numbered(bucket, rng.randrange(1000)))
        else:
            write_entry(corpus, numbered(bucket, rng.randrange(1000)))
        count_sighting(corpus / bucket, TODAY, {}, f"{TODAY} seed {me + 1}")


def killed_beside_another(corpus: Path, times: int) -> dict[str, Any]:
    """Writers killed while another one works on in the same corpus: what the living one did must be there."""
    rng = random.Random(SEED)
    living, pipe = _started(partial(_until_killed, corpus, "living"))
    victims = errors = 0
    killed: States = {}
    for turn in range(times):
        said, failed = _killed(partial(_until_killed, corpus, f"victim-{turn}"), rng.uniform(0.02, 0.12))
        killed, _ = _replayed(killed, said)
        victims += bool(said)
        errors += failed
    os.kill(living, signal.SIGKILL)
    said, failed = _said(living, pipe)
    done, _ = _replayed(killed, said)
    found, half = look(corpus)
    lost = sum(bucket not in found or (found[bucket] or (0,))[0] < (state or (0,))[0] for bucket, state in done.items())
    return {
        "tried": victims,
        "lost": lost,
        "half_written": half,
        "errors": errors + failed,
        "operations": len(said) // 2,
    }


def _until_killed(corpus: Path, name: str, tell: Tell) -> NoReturn:
    number = 0
    while True:
        number += 1
        after = {f"{name}-{number % 2}": (number, 1)}
        tell({"is": "begun", "what": "write", "after": after})
        write_entry(corpus, numbered(f"{name}-{number % 2}", number))
        tell({"is": "done", "after": after})


# Full and read-only disks.


def elsewhere(trial: str) -> dict[str, Any]:
    """A trial in a process of its own, on a disk of its own where there can be one."""
    with tempfile.TemporaryDirectory(prefix="graphfuzz-disk-") as folder:
        command = [sys.executable, "-m", "benchmarks.atomicity", trial, folder]
        within = small_disk(Path(folder), DISK)
        if within is not None:
            command = [*within, *command, "mounted"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def full(corpus: Path, mounted: bool) -> dict[str, Any]:
    """Write until there is no space, then try everything; then free some, and write again.

    A limit on the size of files stands in where no disk can be mounted: it stops a file, and thus an entry, half-way.
    """
    if not mounted:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    done: States = {}
    errors, complaints = 0, Counter[str]()
    number = 0
    while not complaints and number < 5000:
        number += 1
        if not mounted and number == 20:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))
        try:
            write_entry(corpus, numbered(f"bucket-{number}", number))
            done[f"bucket-{number}"] = (number, 1)
        except EntryError as error:
            complaints[_reason(error)] += 1
    found, half = look(corpus)
    lost = sum(found.get(bucket) != state for bucket, state in done.items())
    for bucket in list(done)[:5]:
        before = found[bucket]
        attempts: list[Callable[[], object]] = [
            partial(write_entry, corpus, _large(bucket)),
            partial(count_sighting, corpus / bucket, TODAY, {"package": "1" * (2 << 20)}, f"{TODAY} seed 1"),
        ]
        for attempt in attempts:
            try:
                attempt()
                errors += 1
            except EntryError as error:
                complaints[_reason(error)] += 1
        after, broken = look(corpus)
        half += broken
        lost += after.get(bucket) != before
    with open_index(corpus) as index:
        errors += len(index.rows()) != len(done)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for bucket in list(done)[:10]:
        remove_entry(corpus / bucket)
        del done[bucket]
    write_entry(corpus, numbered("at-last", 7))
    found, broken = look(corpus)
    lost += found != {**done, "at-last": (7, 1)}
    return {
        "tried": sum(complaints.values()),
        "lost": lost,
        "half_written": half + broken,
        "errors": errors,
        "said": dict(complaints),
        "by": f"a disk of {DISK}" if mounted else "a limit on the size of files: no disk can be mounted here",
    }


def _large(bucket: str) -> Entry:
    """An entry that has no room where an ordinary one may still have."""
    return msgspec.structs.replace(numbered(bucket, 1), model=random.Random(0).randbytes(4 << 20))


def readonly(corpus: Path, mounted: bool) -> dict[str, Any]:
    """Try everything in a folder that cannot be written: each is refused clearly, and reading works."""
    write_entry(corpus, numbered("bucket", 1))
    if mounted:
        subprocess.run(["mount", "-o", "remount,ro", str(corpus)], check=True)
    elif os.geteuid() == 0:
        return {
            "tried": 0, "lost": 0, "half_written": 0, "errors": 0,
            "by": "nothing: no disk can be mounted here, and no permission stops root",
        }  # fmt: skip
    else:
        corpus.chmod(0o555)
        (corpus / "bucket").chmod(0o555)
    complaints, errors = Counter[str](), 0
    attempts: list[Callable[[], object]] = [
        lambda: check_writable(corpus),
        lambda: write_entry(corpus, numbered("bucket", 2)),
        lambda: add_entry(corpus, numbered("another", 2)),
        lambda: count_sighting(corpus / "bucket", TODAY, {}, f"{TODAY} seed 1"),
        lambda: remove_entry(corpus / "bucket"),
    ]
    for attempt in attempts:
        try:
            attempt()
            errors += 1
        except EntryError as error:
            complaints[_reason(error)] += 1
    found, half = look(corpus)
    with open_index(corpus) as index:
        errors += [row.bucket for row in index.rows()] != [numbered("bucket", 1).finding.signature.slug]
    if not mounted:
        corpus.chmod(0o755)
        (corpus / "bucket").chmod(0o755)
    return {
        "tried": len(attempts),
        "lost": int(found != {"bucket": (1, 1)}),
        "half_written": half,
        "errors": errors,
        "said": dict(complaints),
        "by": "a disk mounted read-only" if mounted else "permissions",
    }


def _reason(error: GraphfuzzError) -> str:
    """What the error says is wrong, without where."""
    return str(error).partition(": ")[2].partition(";")[0]


if __name__ == "__main__":
    print(json.dumps({"full": full, "readonly": readonly}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3:] == ["mounted"])))
