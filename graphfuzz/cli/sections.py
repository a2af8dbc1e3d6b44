"""A command with many options, whose help has them in sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class Sectioned(click.Command):
    """sections: the option that each begins with, by heading; options come in the order of their declaration."""

    def __init__(self, *arguments: Any, sections: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.headings = {first: heading for heading, first in sections.items()}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every option, with its section's heading above the first."""
        rows: dict[str, list[tuple[str, str]]] = {}
        heading = "Options"
        for option in self.get_params(ctx):
            heading = self.headings.get(str(option.name), heading)
            record = option.get_help_record(ctx)
            if record is not None:
                rows.setdefault(heading, []).append(record)
        for heading, records in rows.items():
            with formatter.section(heading):
                formatter.write_dl(records)
