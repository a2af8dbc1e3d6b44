"""Probing tells what each dtype binding comes to, is kept between runs, and loses nothing that was complete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from graphfuzz.campaign.accounts import OPEN, REACHED, TRIED, account
from graphfuzz.campaign.probes import Cache, Trial, support
from graphfuzz.campaign.probing import Missing, Plan, make_plan, missing, probe, read_stock, stored
from graphfuzz.campaign.workers import Limits, Workers
from graphfuzz.errors import UsageError
from graphfuzz.oracle.ledger import ABSENT
from graphfuzz.spec.origins import Origin

TOLD, UNTOLD = "tests.ledger_routes:told", "tests.ledger_routes:untold"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two operators, in a module of their own."""
    path = tmp_path_factory.mktemp("pack") / "probed_pack.py"
    path.write_text(
        "import numpy as np\n"
        "from graphfuzz.spec import unary\n"
        "rectify = unary('rectify', ('float32', 'float64', 'int32', 'bool'), reference=lambda x: np.maximum(x, 0),\n"
        "                torch='torch.maximum({x}, torch.zeros_like({x}))')\n"
        "flip_sign = unary('flip_sign', ('float32',), reference=np.negative, torch='-{x}')\n"
        "OPERATORS = [rectify, flip_sign]\n"
    )
    return path


@pytest.fixture(scope="module")
def workers(pack: Path) -> Iterator[Workers]:
    with Workers(1, [TOLD], packs=[str(pack)], limits=Limits(seconds=20)) as pool:
        yield pool


@pytest.fixture
def plan(pack: Path) -> Plan:
    from graphfuzz.spec.registry import load_registry

    return make_plan([TOLD], load_registry([str(pack)]).only(["rectify", "flip_sign"]))


class Nobody:
    """In place of workers where none may be needed."""

    def submit(self, task: object) -> None:
        raise AssertionError("nothing is to be run")


def verdicts(trials: tuple[Trial, ...]) -> dict[str, str]:
    return {bound: word for bound, (word, _) in support(trials).items()}


def test_each_dtype_binding_gets_its_verdict_and_what_was_used(plan: Plan, workers: Workers, tmp_path: Path) -> None:
    found = probe(plan, Cache(tmp_path), workers)[TOLD]
    assert verdicts(found["rectify"]) == {
        "T=float32": "ok",
        "T=float64": "ok",
        "T=int32": "unsupported",
        "T=bool": "process-crash",
    }
    assert verdicts(found["flip_sign"]) == {"T=float32": "wrong-output"}
    assert {name: len(trials) for name, trials in found.items()} == {"rectify": 4, "flip_sign": 3}
    float32 = found["rectify"][0]
    assert (float32.entries, float32.operators) == (("float32", "relu"), ("Relu-14",))
    assert found["rectify"][0].use.startswith("rectify float32 ")
    assert found["rectify"][3].use.startswith("rectify bool "), "the case of a dead worker is made again"
    assert "declined" in next(trial.what for trial in found["rectify"] if trial.dtypes == "T=int32")


def test_what_was_probed_is_not_probed_again(plan: Plan, workers: Workers, tmp_path: Path) -> None:
    first = probe(plan, Cache(tmp_path), workers)
    again = probe(plan, Cache(tmp_path), Nobody())  # type: ignore[arg-type]
    assert again == first
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name.startswith(".")]


def test_ranks_are_probed_beside_what_was_probed_already(plan: Plan, workers: Workers, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    few = msgspec.structs.replace(plan, operators={"flip_sign": plan.operators["flip_sign"]})
    before = probe(few, cache, workers)[TOLD]["flip_sign"]
    (work,) = missing(msgspec.structs.replace(few, by_rank=True), stored(few, cache))
    assert work.keys == tuple(f"flip_sign/torch/T=float32/rank-{rank}" for rank in range(7))
    after = probe(msgspec.structs.replace(few, by_rank=True), cache, workers)[TOLD]["flip_sign"]
    assert after[:3] == before
    assert [trial.use for trial in after[3:]] == [f"flip_sign float32 {rank}" for rank in range(7)]
    assert stored(few, cache)[TOLD]["flip_sign"] == after
    assert not missing(few, stored(few, cache))


def test_an_interruption_keeps_what_is_complete(plan: Plan, workers: Workers, tmp_path: Path) -> None:
    def interrupt(work: Missing, trial: Trial) -> None:
        if work.operator.name == "rectify":
            raise KeyboardInterrupt

    assert list(plan.operators) == ["flip_sign", "rectify"]
    with pytest.raises(KeyboardInterrupt):
        probe(plan, Cache(tmp_path), workers, interrupt)
    known = stored(plan, Cache(tmp_path))
    assert set(known[TOLD]) == {"flip_sign"}
    assert [work.operator.name for work in missing(plan, known)] == ["rectify"]


def test_an_edit_or_an_update_makes_probes_missing(plan: Plan, workers: Workers, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    probe(plan, cache, workers)
    edited = {name: msgspec.structs.replace(origin, digest="other") for name, origin in plan.origins.items()}
    assert len(missing(plan, stored(plan, cache))) == 0
    assert len(missing(plan, stored(msgspec.structs.replace(plan, origins=edited), cache))) == 2
    route = plan.routes[TOLD]
    updated = msgspec.structs.replace(route, packages=("torch", "numpy"))
    assert not cache.probes(updated, plan.origins["rectify"])
    elsewhere = msgspec.structs.replace(route, convert=test_an_edit_or_an_update_makes_probes_missing)
    assert not cache.probes(elsewhere, plan.origins["rectify"])
    assert cache.probes(route, plan.origins["rectify"])


def test_a_family_that_is_edited_while_it_is_probed_is_not_kept(plan: Plan, workers: Workers, tmp_path: Path) -> None:
    said: list[str] = []
    cache = Cache(tmp_path, said.append)
    edited = {name: msgspec.structs.replace(origin, digest="before") for name, origin in plan.origins.items()}
    assert len(probe(msgspec.structs.replace(plan, origins=edited), cache, workers)[TOLD]) == 2
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert ["'flip_sign' was probed" in said[0], "'rectify' was probed" in said[1]] == [True, True]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"rectify": [{"key": 1}]}', b"\xff"])
def test_a_damaged_cache_is_told_and_made_again(plan: Plan, tmp_path: Path, damage: bytes) -> None:
    said: list[str] = []
    cache, origin, route = Cache(tmp_path, said.append), plan.origins["rectify"], plan.routes[TOLD]
    cache.keep_probes(route, origin, {"rectify": (Trial("rectify/torch/T=float32/0", "ok", "compare", ""),)})
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_bytes(damage)
    assert not cache.probes(route, origin)
    assert len(said) == 1
    assert str(path) in said[0]
    cache.keep_probes(route, origin, {})
    assert cache.probes(route, origin) == {}
    assert len(said) == 1


def test_a_cache_that_cannot_be_used_is_named(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be read"):
        stored(plan, Cache(tmp_path / "file"))
    with pytest.raises(UsageError, match="cannot be written"):
        Cache(tmp_path / "file").keep_probes(plan.routes[TOLD], Origin("m", "m", "", ""), {})


def test_the_ledger_is_read_once_by_a_worker(plan: Plan, workers: Workers, tmp_path: Path) -> None:
    cache, route = Cache(tmp_path), plan.routes[TOLD]
    stock = read_stock(route, cache, workers)
    assert [(entry.name, reason.kind if reason else None) for entry, reason in stock.entries] == [
        ("relu", None),
        ("float32", None),
        ("lost", ABSENT),
        ("gone", None),
    ]
    assert "Relu-14" in stock.operators
    assert read_stock(route, cache, Nobody()) == stock  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no ledger"):
        workers.stock(UNTOLD)


def test_an_account_holds_the_trials_against_the_ledger(plan: Plan, workers: Workers, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    probes = probe(plan, cache, workers)[TOLD]
    found = account(TOLD, read_stock(plan.routes[TOLD], cache, workers), probes)
    assert {row.name: row.standing for row in found.rows} == {
        "relu": REACHED,
        "float32": REACHED,
        "lost": ABSENT,
        "gone": OPEN,
    }
    assert found.rows[0].reached == ("flip_sign", "rectify")
    assert found.unlisted == ("float64", "int32")  # a worker that died tells nothing of what it used
    assert dict(found.onnx)["Relu-14"] == ("flip_sign", "rectify")
    figures = found.figures()
    assert [figures[name] for name in ("entries", "present", "producible", "reached")] == [4, 3, 3, 2]
    assert figures["share"] == 2 / 3


def test_an_entry_of_cases_that_never_ran_is_tried_and_owed(plan: Plan, workers: Workers, tmp_path: Path) -> None:
    stock = read_stock(plan.routes[TOLD], Cache(tmp_path), workers)
    refused = Trial("op/torch/T=int32/0", "unsupported", "conversion", "declined", ("relu", "lost"))
    found = account(TOLD, stock, {"op": (refused,)})
    assert [row.standing for row in found.rows] == [TRIED, OPEN, ABSENT, OPEN]
    ran = msgspec.structs.replace(refused, verdict="wrong-output", stage="compare")
    assert [row.standing for row in account(TOLD, stock, {"op": (ran,)}).rows] == [REACHED, OPEN, REACHED, OPEN]
    ours = msgspec.structs.replace(ran, verdict="harness-error")
    assert account(TOLD, stock, {"op": (ours,)}).count(REACHED) == 0


def test_a_binding_without_any_case_says_so() -> None:
    none = Trial("odd/torch/T=float32/0", "none-found", "generation", "")
    good = Trial("odd/torch/T=float32/1", "ok", "compare", "")
    assert verdicts((none,)) == {"T=float32": "none-found"}
    assert verdicts((none, good)) == {"T=float32": "ok"}
    bad = msgspec.structs.replace(good, verdict="wrong-output", what="by 1")
    assert support((good, bad, none)) == {"T=float32": ("wrong-output", "by 1")}
    shaky = msgspec.structs.replace(good, verdict="unstable")
    assert verdicts((shaky,)) == {"T=float32": "ok"}
