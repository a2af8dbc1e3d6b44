"""A campaign's configuration as a file: whatever stands in it is read as it was."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.journal import Facts
from graphfuzz.cli.campaign_options import all_of, command, store, toml
from graphfuzz.errors import UsageError

HOSTILE = "a \"b\" 'c' \\ \n\t\x00\x1b\x7f é 🙂 = # ["
CONFIGURATION = Configuration(
    (HOSTILE, "plain-route"), 7, shares={HOSTILE: 0.125}, packs=(HOSTILE,), zeros=1e-7, seconds=1e20, cases=10**15
)
FACTS = Facts(CONFIGURATION, "2026-01-02", HOSTILE, probes=("--probes", "none", "--cache", HOSTILE))


def test_a_file_says_what_was_told_whatever_that_is() -> None:
    read = tomllib.loads(toml(FACTS))
    assert read == all_of(FACTS)
    assert read["route"] == {HOSTILE: 0.125, "plain-route": 1.0}
    assert (read["cache"], read["corpus"], read["operators"]) == (HOSTILE, HOSTILE, [HOSTILE])
    assert not {"findings", "disk", "only", "without", "dtype", "without-dtype"} & set(read)


def test_a_command_leaves_out_lanes_that_are_as_ever_and_budgets() -> None:
    words = command(Configuration(("r",), 7, cases=3, without=("conv*",)), ("--probes", "none"))
    assert words.startswith("graphfuzz fuzz --probes none --seed 7 ")
    assert words.endswith("--route r --without 'conv*' --tolerance conditioning")
    assert "--lane" not in words


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none/configuration\.toml: cannot be written"):
        store(FACTS, tmp_path / "none")
