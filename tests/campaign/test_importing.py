"""What operators become is learned in workers, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphfuzz.campaign.importing import learned, read, unlearned
from graphfuzz.campaign.probes import Cache
from graphfuzz.campaign.workers import Limits, Workers
from graphfuzz.errors import UsageError
from graphfuzz.interchange import Given
from graphfuzz.interchange.torch_reader import reader

ROUTE = "tests.fake_routes:right"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1, [ROUTE], limits=Limits(seconds=30)) as pool:
        yield pool


class Nobody:
    """In place of workers where none may be needed."""

    def ask(self, *given: object, **named: object) -> None:
        raise AssertionError("nothing is to be learned")


def test_what_is_learned_is_kept(workers, registry, tmp_path):
    few, cache, told = registry.only(["relu", "tanh", "floor_divide_by"]), Cache(tmp_path), list[str]()
    assert unlearned(reader, few, cache) == 3
    table = learned(reader, few, cache, workers, told.append)
    assert sorted(told) == ["floor_divide_by", "relu", "tanh"]
    assert {name for operators in table.values() for name in operators} == set(few)
    assert unlearned(reader, few, cache) == 0
    assert learned(reader, few, cache, Nobody()) == table


def test_a_model_that_ends_its_process_is_bad_input(workers, tmp_path):
    file = tmp_path / "model.py"
    file.write_text("import os\nos._exit(7)\n")
    with pytest.raises(UsageError, match="ends the process"):
        read(file, Given(), reader, {}, workers, False)


def test_an_operator_that_takes_its_worker_down_becomes_nothing(registry, tmp_path):
    from concurrent.futures import Future

    from pebble import ProcessExpired

    class Dying:
        def ask(self, *given: object, **named: object) -> Future[object]:
            answer: Future[object] = Future()
            answer.set_exception(ProcessExpired("gone"))
            return answer

    few, cache = registry.only(["relu"]), Cache(Path(tmp_path))
    assert learned(reader, few, cache, Dying()) == {}
    assert unlearned(reader, few, cache) == 0
