"""A campaign's configuration as options of `graphfuzz fuzz`: as a command line, and as a TOML file for --config."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graphfuzz.campaign.configuration import Configuration
from graphfuzz.campaign.journal import Facts
from graphfuzz.campaign.lanes import DEFAULT
from graphfuzz.errors import UsageError

FILE = "configuration.toml"
"""The file's name in a campaign's folder."""
_HEAD = "# What this campaign began with. The same once more: graphfuzz fuzz --config FILE\n"
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def cases_of(configuration: Configuration) -> dict[str, Any]:
    """The options that decide which cases a campaign makes, by name: values, lists, and tables of NAME=SHARE."""
    routes, shares = configuration.routes, configuration.shares
    return {
        "seed": configuration.seed,
        "nodes": configuration.nodes,
        "zeros": configuration.zeros,
        "ones": configuration.ones,
        "dynamic": configuration.dynamic,
        "lane": dict(configuration.lanes),
        "route": {name: shares.get(name, 1.0) for name in routes} if shares else list(routes),
        "only": list(configuration.operators),
        "without": list(configuration.without),
        "dtype": list(configuration.dtypes),
        "without-dtype": list(configuration.without_dtypes),
        "operators": list(configuration.packs),
        "tolerance": configuration.tolerance,
    }


def all_of(facts: Facts) -> dict[str, Any]:
    """Every option that says what a campaign does; not those of which nothing was said."""
    configuration = facts.configuration
    pairs = zip(facts.probes[::2], facts.probes[1::2], strict=True)
    begun = {option.removeprefix("--"): value for option, value in pairs}
    told = {
        **cases_of(configuration),
        **begun,
        "corpus": facts.corpus,
        "first-case": configuration.first_case,
        "cases": configuration.cases,
        "seconds": configuration.seconds,
        "findings": configuration.findings,
        "disk": configuration.disk,
        "minimizing": configuration.minimizing,
        "repeated": configuration.repeated,
        "workers": configuration.workers,
        "known": facts.known_file,
        "case-seconds": configuration.seconds_a_case,
        "stage-seconds": configuration.seconds_a_stage,
        "case-memory": configuration.memory_a_case >> 20,
    }
    return {name: value for name, value in told.items() if value not in (None, [])}


def command(configuration: Configuration, begun: Sequence[str]) -> str:
    """The command line that makes the same cases. begun: the options that say what was known at the beginning."""
    told = cases_of(configuration)
    if configuration.lanes == DEFAULT:
        del told["lane"]
    words = [word for name, value in told.items() for each in _each(value) for word in (f"--{name}", each)]
    return shlex.join(["graphfuzz", "fuzz", *begun, *words])


def toml(facts: Facts) -> str:
    """The text of a file of all options; tables, as they must, behind the others."""
    told = all_of(facts)
    tables = {name: value for name, value in told.items() if isinstance(value, Mapping)}
    text = _HEAD + "".join(f"{name} = {_toml(value)}\n" for name, value in told.items() if name not in tables)
    for name, table in tables.items():
        text += f"\n[{name}]\n" + "".join(f"{_key(key)} = {_toml(value)}\n" for key, value in table.items())
    return text


def store(facts: Facts, folder: Path) -> None:
    """Write the file into a campaign's folder. Raises UsageError where that cannot be."""
    try:
        (folder / FILE).write_text(toml(facts), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder / FILE}: cannot be written ({error.strerror}); name another folder") from None


def _each(value: Any) -> list[str]:
    """The words that an option is given by, one for each time."""
    if isinstance(value, Mapping):
        return [f"{name}={each}" for name, each in value.items()]
    return list(value) if isinstance(value, list) else [str(value)]


def _toml(value: Any) -> str:
    """A number, text or list of texts; a basic string of TOML is one of JSON but for DEL, which it has escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.match(name) else _toml(name)
