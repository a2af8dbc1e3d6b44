"""What campaigns have seen of a bucket: how often, first, last, in which versions. An entry's `seen.json`.

Key insight: kept by campaign, never as one sum. Then what two corpora know is united campaign by campaign, in any order
and as often as one likes, and nothing is counted twice (a grow-only counter; Shapiro et al., "Conflict-free replicated
data types", 2011).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from graphfuzz.corpus.finding import Finding
from graphfuzz.errors import EntryError
from graphfuzz.graph.codec import Step, canonical, upgraded

STEPS: tuple[Step, ...] = ()
"""Takes data from schema 1 to 2, and so on."""


class Sighting(msgspec.Struct, frozen=True):
    """What one campaign has seen. count: findings. first, last: dates, ISO 8601. versions: of the packages at work."""

    count: int
    first: str
    last: str
    versions: dict[str, str]

    def __or__(self, other: Sighting) -> Sighting:
        """What both have seen of the same campaign."""
        return Sighting(
            max(self.count, other.count),
            min(self.first, other.first),
            max(self.last, other.last),
            dict(sorted({**self.versions, **other.versions}.items())),
        )


Sightings = Mapping[str, Sighting]
"""By campaign."""


def today() -> str:
    """The date, ISO 8601, in UTC."""
    return datetime.now(UTC).date().isoformat()


def campaign_name(date: str, seed: Any) -> str:
    """What a campaign is called: `2026-11-20 seed 7`. seed: None where it is not known."""
    return date if seed is None else f"{date} seed {seed}"


def first_sighting(finding: Finding, origin: Mapping[str, Any]) -> dict[str, Sighting]:
    """What the finding alone tells. origin: its case's."""
    day = finding.first_seen
    return {campaign_name(day, origin.get("seed")): Sighting(1, day, day, finding.versions)}


def once_more(
    seen: Sightings, date: str, versions: Mapping[str, str], campaign: str, before: int | None = None
) -> dict[str, Sighting]:
    """The sightings with one finding more, of a campaign, at this date (ISO 8601). before: how many the campaign itself
    has counted; then one that is told again after a kill counts once."""
    counted = seen[campaign].count if campaign in seen else 0
    found = Sighting((counted if before is None else before) + 1, date, date, dict(versions))
    return united(seen, {campaign: found})


def united(one: Sightings, other: Sightings) -> dict[str, Sighting]:
    """All that two know."""
    both = {name: one[name] | other[name] for name in one.keys() & other.keys()}
    return dict(sorted({**one, **other, **both}.items()))


def count(seen: Sightings) -> int:
    """How many findings."""
    return sum(sighting.count for sighting in seen.values())


def first_seen(seen: Sightings) -> str:
    """The date of the first finding."""
    return min(sighting.first for sighting in seen.values())


def last_seen(seen: Sightings) -> str:
    """The date of the last finding."""
    return max(sighting.last for sighting in seen.values())


def versions_seen(seen: Sightings) -> dict[str, list[str]]:
    """In which versions of each package."""
    pairs = sorted({pair for sighting in seen.values() for pair in sighting.versions.items()})
    return {package: [version for name, version in pairs if name == package] for package, _ in pairs}


def sightings_to_json(seen: Sightings) -> str:
    """`seen.json`, canonical."""
    return canonical({"schema": len(STEPS) + 1, "campaigns": msgspec.to_builtins(dict(seen))}) + "\n"


def sightings_from_json(text: bytes, where: str) -> dict[str, Sighting]:
    """The sightings in the text of a `seen.json`. Raises EntryError, naming `where` and what is wrong."""
    try:
        data = upgraded(msgspec.json.decode(text), STEPS, where)
        seen = msgspec.convert(data["campaigns"], dict[str, Sighting])
        if not seen or any(sighting.count < 1 for sighting in seen.values()):
            raise ValueError("no finding is counted")
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise EntryError(f"{where}: not complete sightings ({error!r}); restore it or delete it") from None
    return seen
