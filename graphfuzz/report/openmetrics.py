"""Figures as text for a scraper: the OpenMetrics text format, 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec).

Only counters and gauges are written, as Prometheus' own text format knows them too: the textfile collector of its node
exporter reads that one, and refuses a file with any type of metric that it does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

COUNTER, GAUGE = "counter", "gauge"


class Family(msgspec.Struct, frozen=True):
    """Samples of one name: (labels, value) each. A unit is the end of the name, without which there is none."""

    name: str
    kind: str
    help: str
    samples: Iterable[tuple[Mapping[str, str], float]]
    unit: str = ""


def openmetrics(families: Iterable[Family]) -> str:
    """The text; families without a sample are left out. A counter's samples get the suffix that the format demands."""
    lines = []
    for family in families:
        suffix = "_total" if family.kind == COUNTER else ""
        samples = [f"{family.name}{suffix}{_labels(labels)} {_number(value)}" for labels, value in family.samples]
        if samples:
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += [f"# UNIT {family.name} {family.unit}"] if family.unit else []
            lines += [f"# HELP {family.name} {_escaped(family.help)}", *samples]
    return "\n".join([*lines, "# EOF", ""])


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}" if labels else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    """In full: `repr` of a float is the shortest text that reads as that float again."""
    return repr(value) if isinstance(value, float) else str(value)
