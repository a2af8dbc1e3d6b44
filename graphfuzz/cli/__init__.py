"""The command line: one file a command, each imported when it is asked for.

Bad input of any kind is one line on stderr and exit code 2.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from keyword import iskeyword
from typing import Any

import click

from graphfuzz.errors import GraphfuzzError

COMMANDS = {
    "fuzz": "Make random graphs, convert, run and compare them; keep what fails.",
    "status": "Tell how a campaign is, running or not, from outside.",
    "replay": "Run corpus entries again: still failing, changed, flaky, fixed, or cannot run.",
    "import": "Make a case of somebody else's model.",
    "minimize": "Make an entry's case smaller.",
    "export": "Write entries as tests, data or bug reports for other projects.",
    "show": "Print an entry: its graph, the finding, and the script that reproduces it.",
    "bisect": "Find the version of a package that brought an entry's defect, or mended it.",
    "known": "List, add and probe known issues, which campaigns need not find again.",
    "corpus": "List, check, merge, prune, limit and migrate a corpus.",
    "ops": "List the operators at hand.",
    "routes": "List the routes, and what is missing for them.",
}
"""Each command with its line of the overview; the command is the function of its name in the module of its name, with
an underscore behind a name that Python has taken."""

BAD_INPUT = 2


class Commands(click.Group):
    """The commands of `COMMANDS`; the overview imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the overview."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command = getattr(importlib.import_module(f"graphfuzz.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview of the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the options that come before the command."""
        with _one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _one_line():
            return super().invoke(ctx)


@contextmanager
def _one_line() -> Iterator[None]:
    """Make bad input one line on stderr, and exit code 2."""
    try:
        yield
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "graphfuzz"
        _complain(f"{error.format_message()} See `{command} --help`.")
    except GraphfuzzError as error:
        _complain(str(error))


def _complain(text: str) -> None:
    click.echo(f"graphfuzz: {' '.join(text.split())}", err=True)
    raise click.exceptions.Exit(BAD_INPUT)


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="graphfuzz")
@click.pass_context
def main(context: click.Context) -> None:
    """graphfuzz: a fuzzer for deep-learning model converters."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
