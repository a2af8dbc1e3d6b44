"""A command's options from a TOML file: every option may stand there under its own name."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import click

from graphfuzz.corpus.files import read_toml
from graphfuzz.errors import UsageError


def configured(context: click.Context, parameter: click.Parameter, file: Path | None) -> None:
    """The callback of the option that names the file, which has to be eager.

    A table is a list of NAME=VALUE. Raises UsageError for a key that is no option, naming the nearest one, and for a
    value that its option refuses.
    """
    if file is None:
        return
    told = read_toml(file, "a TOML file")
    known = {_name(option): option for option in context.command.params if option is not parameter}
    found = {}
    for key, value in told.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise UsageError(f"{file}: there is no option '{key}'; did you mean '{near}'?")
        option = known[key]
        given = [f"{name}={each}" for name, each in value.items()] if isinstance(value, dict) else value
        given = [given] if option.multiple and not isinstance(given, list) else given
        try:
            option.type_cast_value(context, given)
        except click.BadParameter as error:
            raise UsageError(f"{file}: {key}: {error.message}") from None
        found[option.name] = given
    context.default_map = {**(context.default_map or {}), **found}


def _name(option: Any) -> str:
    """The option as it stands on a command line, without its dashes."""
    return str(max(option.opts, key=len)).lstrip("-")
