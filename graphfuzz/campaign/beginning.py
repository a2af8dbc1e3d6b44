"""What a campaign begins with: what probing has found of its routes, and a mark by which that is known again.

Probes are of the very versions that are installed, so what they tell holds for the campaign. Cases depend on it; so a
campaign tells its mark, and one of the same seed can be told to begin with that or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from graphfuzz.campaign.probes import Cache, Probes
from graphfuzz.campaign.probing import make_plan, stored
from graphfuzz.campaign.refusals import TAKEN
from graphfuzz.errors import UsageError
from graphfuzz.generator import Support, support_of
from graphfuzz.oracle.verdict import UNSUPPORTED
from graphfuzz.spec.registry import Registry

STORED, NONE = "stored", "none"


def known_at_start(wanted: str, routes: Sequence[str], registry: Registry, cache: Cache) -> Mapping[str, Support]:
    """What is known of each route that was probed. wanted: STORED, NONE, or the mark of what it must be.

    Raises UsageError where it is something else, or cannot be read.
    """
    if wanted == NONE:
        return {}
    found = {name: _support(probes) for name, probes in stored(make_plan(routes, registry), cache).items() if probes}
    if wanted not in (STORED, mark(found)):
        raise UsageError(
            f"--probes {wanted}: what is stored now is {mark(found)}, and cases would be others; "
            f"`--probes {STORED}` takes it as it is, `--probes {NONE}` begins without"
        )
    return found


def mark(known: Mapping[str, Support]) -> str:
    """A word that is the same for the same knowledge only; NONE where there is none."""
    text = msgspec.json.encode([(route, sorted(of.taken), sorted(of.refused)) for route, of in sorted(known.items())])
    return hashlib.sha256(text).hexdigest()[:8] if known else NONE


def told(known: Mapping[str, Support]) -> str:
    """What is known, in one line."""
    routes = [
        f"{route} takes {len(of.taken)} uses, refuses {len(of.refused - of.taken)}" for route, of in known.items()
    ]
    return " · ".join([f"probes {mark(known)}", *routes])


def _support(probes: Probes) -> Support:
    """The uses that were taken and refused alone, as a campaign would have learned them."""
    trials = [trial for several in probes.values() for trial in several if trial.use]
    return support_of(
        (trial.use for trial in trials if trial.verdict in TAKEN),
        (trial.use for trial in trials if trial.verdict == UNSUPPORTED),
    )
