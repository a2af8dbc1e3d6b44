"""What a route takes is told for every dtype and rank that an operator declares, by its trials."""

from __future__ import annotations

import numpy as np
import pytest

from graphfuzz.campaign.capabilities import capabilities
from graphfuzz.campaign.probes import Trial
from graphfuzz.conformance import case_at, rank_keys
from graphfuzz.graph import features
from graphfuzz.spec import Registry, unary

HALVE = unary("halve", ("float32", "float64"), reference=lambda x: x / np.float32(2), torch="{x} / 2")
TRIED = "halve float64 3"


def standings(*trials: Trial) -> dict[tuple[str, int], str]:
    return {(one.dtype, one.rank): one.standing for one in capabilities(HALVE, "torch", trials)}


@pytest.mark.parametrize(
    ("verdicts", "standing"),
    [
        (["ok", "unstable"], "taken"),
        (["unsupported"], "refused"),
        (["unsupported", "ok"], "partly"),
        (["ok", "wrong-output", "unsupported"], "finding"),
        (["hang"], "finding"),
        (["harness-error"], "harness-error"),
        (["harness-error", "ok"], "taken"),
        ([], "not probed"),
    ],
)
def test_a_use_stands_by_its_trials(verdicts: list[str], standing: str) -> None:
    trials = [Trial(f"halve/torch/T=float64/{i}", v, "compare", v, use=TRIED) for i, v in enumerate(verdicts)]
    found = standings(*trials)
    assert found.pop(("float64", 3)) == standing
    assert set(found) == {(d, r) for d in ("float32", "float64") for r in range(7)} - {("float64", 3)}
    assert set(found.values()) == {"not probed"}


def test_the_reason_is_that_of_the_standing() -> None:
    refused = Trial("halve/torch/T=float64/0", "unsupported", "load", "no kernel", use=TRIED)
    wrong = Trial("halve/torch/T=float64/1", "wrong-output", "compare", "by 1", use=TRIED)
    told = {
        len(tried): [c.what for c in capabilities(HALVE, "torch", tried) if c.what]
        for tried in ([refused], [refused, wrong], [])
    }
    assert told == {1: ["no kernel"], 2: ["by 1"], 0: []}


def test_where_the_generator_finds_no_case_there_is_none() -> None:
    none = Trial("halve/torch/T=float32/rank-6", "none-found", "generation", "")
    vague = Trial("halve/torch/T=float32/0", "none-found", "generation", "")
    assert standings(none, vague)["float32", 6] == "no case"
    assert list(standings(vague).values()) == ["not probed"] * 14


@pytest.mark.parametrize("name", ["conv2d", "where", "concat", "lstm", "gather"])
def test_a_key_of_a_rank_makes_the_use_that_it_names(name: str, registry: Registry) -> None:
    for framework in registry[name].emissions:
        for key, use in list(rank_keys(registry[name], framework).items())[::5]:
            assert features(case_at(key, registry).graph).typed_uses == [use]
