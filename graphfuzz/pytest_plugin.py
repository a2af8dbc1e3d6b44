"""`pytest --graphfuzz-corpus DIR`: one test an entry of a corpus, run as `graphfuzz replay` runs it.

Nothing else is imported, and no hook called, where the option is not given. A test whose finding is known and
still there is an expected failure; as what comes of it is known only once it has run, there is no mark that could be
strict: what is fixed simply passes, unless `--graphfuzz-expect` says that it should fail.

Entries run in worker processes, `--graphfuzz-workers` at a time, ahead of the test that waits for them. Under
pytest-xdist each of its processes runs one entry at a time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from concurrent.futures import Future

    from graphfuzz.campaign.replaying import Job, Replayer
    from graphfuzz.corpus.expectation import Expectations
    from graphfuzz.corpus.replay import Line

WORKERS = 2
REPEATS = 2
"""As for `graphfuzz replay`; told here, as nothing else is imported."""

_REPEATS = "Further runs of what does not show its finding. [default: 2]"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, which are those of `graphfuzz replay`."""
    group = parser.getgroup("graphfuzz", "graphfuzz: entries of a corpus run again, one test an entry")
    many: dict[str, Any] = {"action": "append", "default": []}
    group.addoption("--graphfuzz-corpus", metavar="DIR", **many, help="The entries at or below DIR (repeatable).")
    group.addoption("--graphfuzz-route", metavar="ROUTE", **many, help="Only entries of this route (repeatable).")
    group.addoption("--graphfuzz-on", metavar="ROUTE", **many, help="Run on this route, not on the own (repeatable).")
    group.addoption("--graphfuzz-operators", metavar="PACK", **many, help="A further operator pack (repeatable).")
    group.addoption("--graphfuzz-expect", metavar="FILE", help="The file of expected statuses: whatever is news fails.")
    group.addoption("--graphfuzz-workers", metavar="N", type=int, default=WORKERS, help="Child processes. [default: 2]")
    group.addoption("--graphfuzz-repeats", metavar="N", type=int, default=REPEATS, help=_REPEATS)


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, and what makes tests of entries where there is a corpus."""
    config.addinivalue_line("markers", "graphfuzz: an entry of --graphfuzz-corpus, run again.")
    if config.getoption("graphfuzz_corpus"):
        config.pluginmanager.register(_Replay(config), "graphfuzz-replay")


class _Replay:
    """The hooks of a session with a corpus, and the workers that its tests share."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.expected: Expectations | None = None
        self._replayer: Replayer | None = None
        self._lines: dict[EntryTest, Future[Line]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Add the corpora to what the session collects."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed:
            folders = dict.fromkeys(self.config.getoption("graphfuzz_corpus"))
            report.result += [Corpus.of(collector, folder, self) for folder in folders]
        return report

    def pytest_sessionfinish(self) -> None:
        """Stop the workers, whatever they are at."""
        if self._replayer is not None:
            self._replayer.__exit__()

    def line(self, test: EntryTest) -> Line:
        """What comes of a test's entry. The first that asks has all others run as well, but for those of xdist's."""
        if test not in self._lines:
            alone = hasattr(self.config, "workerinput")
            tests = [item for item in test.session.items if isinstance(item, EntryTest) and item.job is not None]
            replayer = self._started(tests, 1 if alone else self.config.getoption("graphfuzz_workers"))
            for each in [test] if alone else tests:
                assert each.job is not None
                self._lines[each] = replayer.submit(each.job)
        return self._lines[test].result()

    def _started(self, tests: list[EntryTest], number: int) -> Replayer:
        from graphfuzz.campaign.replaying import Replayer

        if self._replayer is None:
            routes = sorted({test.job.route for test in tests if test.job is not None})
            packs, repeats = (self.config.getoption(f"graphfuzz_{name}") for name in ("operators", "repeats"))
            self._replayer = Replayer(number, routes, packs=packs, repeats=repeats)
        return self._replayer


class Corpus(pytest.Collector):
    """The entries of a folder."""

    replay: _Replay

    @classmethod
    def of(cls, session: pytest.Session, folder: str, replay: _Replay) -> Corpus:
        """The collector of a folder, relative to where pytest was called."""
        path = session.config.invocation_params.dir / folder
        corpus: Corpus = cls.from_parent(session, name=folder, nodeid=folder, path=path)
        corpus.replay = replay
        corpus.add_marker("graphfuzz")
        return corpus

    def collect(self) -> Iterator[EntryTest]:
        """One test an entry and route. Raises CollectError, of one line, for bad input of any kind."""
        from graphfuzz.campaign.replaying import read_jobs
        from graphfuzz.corpus.entry import entries
        from graphfuzz.corpus.expectation import read_expectations
        from graphfuzz.errors import GraphfuzzError
        from graphfuzz.oracle.route import load_route

        of, on, expect = (self.config.getoption(f"graphfuzz_{name}") for name in ("route", "on", "expect"))
        try:
            for name in (*of, *on):
                load_route(name)
            if expect is not None:
                self.replay.expected = read_expectations(self.config.invocation_params.dir / expect)
            jobs, damaged = read_jobs(entries([self.path]), of, on)
        except GraphfuzzError as error:
            raise self.CollectError(str(error)) from None
        for line in damaged:
            yield EntryTest.of(self, Path(line.entry), damaged=line)
        for job in jobs:
            yield EntryTest.of(self, job.path, job=job, on=job.route if on else "")


class EntryTest(pytest.Item):
    """An entry, run again on a route; `line` is what there is to say of one that cannot be read."""

    replay: _Replay
    job: Job | None
    damaged: Line | None

    @classmethod
    def of(
        cls, corpus: Corpus, path: Path, job: Job | None = None, damaged: Line | None = None, on: str = ""
    ) -> EntryTest:
        """The test of a job, or of an entry that cannot be read, named by its folder's path below the corpus."""
        name = path.name if path == corpus.path else path.relative_to(corpus.path).as_posix()
        test: EntryTest = cls.from_parent(corpus, name=f"{name}[{on}]" if on else name, path=path)
        test.replay, test.job, test.damaged = corpus.replay, job, damaged
        return test

    def runtest(self) -> None:
        """Fail, skip, be an expected failure, or pass.

        Fails: what is news, where something is expected; else a changed finding, or one on a route that is not the
        entry's own; what cannot be read. Skipped: what cannot run. An expected failure: any other open defect.
        """
        from graphfuzz.corpus.expectation import judged
        from graphfuzz.corpus.replay import ALSO_FAILING, CANNOT_RUN, CHANGED, DAMAGED, OPEN

        line = self.damaged or self.replay.line(self)
        if self.replay.expected is not None:
            line = judged(line, self.replay.expected)
        said = f"{line.status}: {line.now}"
        if line.news:
            pytest.fail(f"{line.news}: expected {line.expected or 'nothing'}; {said}\n{line.again()}", pytrace=False)
        if line.status == DAMAGED or (line.news is None and line.status in (CHANGED, ALSO_FAILING)):
            pytest.fail(f"{said}\n{line.again()}", pytrace=False)
        if line.status == CANNOT_RUN:
            pytest.skip(said)
        if line.status in OPEN:
            pytest.xfail(said)

    def reportinfo(self) -> tuple[Path, None, str]:
        """The entry's folder and the test's name."""
        return self.path, None, self.name
