"""The lanes: the ways in which a campaign makes cases, side by side."""

from collections.abc import Mapping

from graphfuzz.generator.lanes import grown, mutation, pair, pattern, rewrite, special, sweep
from graphfuzz.generator.lanes.lane import Lane

CONTROL = "random"
"""The lane whose cases depend on nothing seen before: what a campaign says of chances rests on them alone."""

LANES: Mapping[str, Lane] = {
    lane.name: lane
    for lane in (
        Lane(CONTROL, "random graphs", grown.make),
        Lane("guided", "random graphs, steered toward what is new", grown.make),
        Lane("sweep", "single operators: each dtype, rank and attribute bin", sweep.make),
        Lane("pair", "two operators, one behind the other", pair.make),
        Lane("mutation", "what failed or the corpus keeps, changed in one thing", mutation.make, starts=True),
        Lane("pattern", "blocks of real networks in random graphs", pattern.make),
        Lane("rewrite", "two equal forms of a graph, which must agree", rewrite.make),
        Lane("special", "NaN and infinities where operators define the result", special.make),
    )
}
"""Each lane by its name. All but the control may have a guide."""

__all__ = ["CONTROL", "LANES", "Lane"]
