"""A campaign begins with what probing found of its routes; the mark that it tells stands for that and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from graphfuzz.campaign.beginning import NONE, STORED, known_at_start, mark, told
from graphfuzz.campaign.probes import Cache, Trial
from graphfuzz.campaign.probing import make_plan
from graphfuzz.cli import main
from graphfuzz.errors import UsageError
from graphfuzz.generator import support_of
from graphfuzz.spec import Registry

TOLD, UNTOLD = "tests.ledger_routes:told", "tests.ledger_routes:untold"


def trial(verdict: str, use: str, number: int = 0) -> Trial:
    return Trial(f"relu/torch/T=float32/{number}", verdict, "compare", "", use=use)


TRIALS = (
    trial("ok", "relu float32 1"),
    trial("unsupported", "relu float32 1", 1),
    trial("wrong-output", "relu float32 2"),
    trial("unsupported", "relu int8 2"),
    trial("conversion-crash", "relu int8 3"),
    trial("none-found", ""),
)


@pytest.fixture
def cache(registry: Registry, tmp_path: Path) -> Cache:
    """What was probed of one route."""
    plan, cache = make_plan([TOLD], registry), Cache(tmp_path)
    cache.keep_probes(plan.routes[TOLD], plan.origins["relu"], {"relu": TRIALS})
    return cache


def test_what_was_taken_and_refused_is_known_of_the_routes_that_were_probed(registry: Registry, cache: Cache) -> None:
    known = known_at_start(STORED, [TOLD, UNTOLD], registry, cache)
    taken, refused = {"relu float32 1", "relu float32 2"}, {"relu float32 1", "relu int8 2"}
    assert known == {TOLD: support_of(taken, refused)}
    assert told(known) == f"probes {mark(known)} · {TOLD} takes 2 uses, refuses 1"
    assert known_at_start(NONE, [TOLD], registry, cache) == {}
    assert known_at_start(mark(known), [TOLD], registry, cache) == known


def test_a_mark_stands_for_what_is_known(registry: Registry, cache: Cache) -> None:
    known = known_at_start(STORED, [TOLD], registry, cache)
    assert mark({}) == NONE
    assert told({}) == "probes none"
    other = {TOLD: replace(known[TOLD], refused=frozenset({"relu int8 2"}))}
    assert len({mark(known), mark(other), mark({UNTOLD: known[TOLD]}), NONE}) == 4
    with pytest.raises(UsageError, match=f"--probes 1234abcd: what is stored now is {mark(known)}"):
        known_at_start("1234abcd", [TOLD], registry, cache)


PACK = """
import numpy as np
from graphfuzz.spec import unary
positive_part = unary("positive_part", ("float32", "int32"), reference=lambda x: np.maximum(x, 0), torch="{x}.relu()")
OPERATORS = [positive_part]
"""


def test_a_campaign_tells_its_mark_and_can_be_told_it(tmp_path: Path) -> None:
    pack = tmp_path / "beginning_pack.py"
    pack.write_text(PACK)
    chosen = ("--route", TOLD, "--operators", pack, "--cache", tmp_path / "cache", "--workers", 1)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(a) for a in arguments])

    def campaign(probes: str, name: str) -> tuple[str, list[object]]:
        """The mark told, and the verdicts."""
        options = ("--only", "positive_part", "--seed", 1, "--cases", 6, "--nodes", 2, "--corpus", tmp_path / "corpus")
        log = tmp_path / name
        made = run("fuzz", *chosen, *options, "--lane", "sweep=1", "--log", log, "--probes", probes)
        assert made.exit_code == 0, made.output
        (found,) = re.findall(r"^probes (\w+)", made.output, re.MULTILINE)
        again = made.output.partition("the same cases again")[2]
        assert f"--probes {found} --cache {tmp_path / 'cache'} " in again
        return found, [json.loads(line)["verdict"] for line in log.read_text().splitlines()]

    assert run("ops", "positive_part", *chosen, "--capabilities", "--probe").exit_code == 0
    begun, verdicts = campaign("stored", "a")
    assert "unsupported" not in verdicts, "the integers, which were refused as they were probed, are avoided"
    assert campaign(begun, "b") == (begun, verdicts)
    without, others = campaign("none", "c")
    assert without == "none"
    assert "unsupported" in others
    wrong = run("fuzz", *chosen, "--probes", "1234abcd", "--corpus", tmp_path / "corpus")
    assert wrong.exit_code == 2
    assert wrong.stderr.count("\n") == 1
    assert begun in wrong.stderr
