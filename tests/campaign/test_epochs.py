"""What an epoch knows: what the epochs before the last one have shown, and nothing else."""

import pytest
from msgspec.structs import replace

from graphfuzz.campaign.epochs import EPOCH, STARTING_NODES, Epochs
from graphfuzz.campaign.lanes import DEFAULT
from graphfuzz.campaign.refusals import Trials
from graphfuzz.generator import Recipe, Support, generate
from graphfuzz.graph import Features
from graphfuzz.oracle.verdict import Outcome
from tests.examples import crash, relu_case, wrong

CHAIN = Features(("relu float32 2", "sum float32 2", "sum keepdims=True"), (("relu", "sum"),), (), 2)
ROUTES = {"t": "torch", "k": "keras"}
RAN = Outcome("t", "ok", "compare")
EXP = Features(("exp float32 1",), (), (), 1)


@pytest.fixture
def epochs():
    return Epochs(ROUTES, DEFAULT)


def known(epochs, index, framework="torch"):
    return set(epochs.at(index).guides[framework].counts)


def test_an_epoch_knows_the_epochs_before_the_last_one(epochs):
    assert not known(epochs, 0)
    epochs.add(3, "random", RAN, CHAIN)
    assert not known(epochs, EPOCH - 1)
    assert not known(epochs, EPOCH)
    epochs.add(EPOCH + 3, "random", RAN, EXP)
    assert not known(epochs, 2 * EPOCH - 1)
    assert known(epochs, 2 * EPOCH) == {"relu", "sum"}
    assert not known(epochs, 2 * EPOCH, "keras")
    assert known(epochs, 3 * EPOCH) == {"relu", "sum", "exp"}


def test_when_it_is_asked_does_not_matter():
    """However many cases are given out ahead, an epoch's guide is the same, and has the same name."""
    results = [(index, CHAIN if index < EPOCH else EXP) for index in range(0, 4 * EPOCH, 20)]
    told = []
    for ahead in (0, 40, EPOCH - 20):
        epochs = Epochs({"t": "torch"}, DEFAULT)
        waiting = list(results)
        guides = {}
        for index, _ in results:
            while waiting and waiting[0][0] < index - ahead:
                at, seen = waiting.pop(0)
                epochs.add(at, "random", RAN, seen)
            guide = epochs.at(index).guides["torch"]
            guides.setdefault(index // EPOCH, set()).add((guide.name, tuple(sorted(guide.counts.items()))))
        assert all(len(found) == 1 for found in guides.values())
        told.append(guides)
    assert told[0] == told[1] == told[2]
    assert len({name for found in told[0].values() for name, _ in found}) == 3


def test_a_campaign_that_begins_later_knows_nothing_of_before():
    epochs = Epochs({"t": "torch"}, DEFAULT)
    first = 2 * EPOCH + 50
    assert not known(epochs, first)
    epochs.add(first, "random", RAN, CHAIN)
    assert not known(epochs, 3 * EPOCH)
    assert known(epochs, 4 * EPOCH) == {"relu", "sum"}


def test_shares_follow_what_was_taken_in(epochs):
    for index in range(0, EPOCH, 10):
        epochs.add(index, "sweep", RAN, Features((f"relu float32 {index}",), (), (), 1))
        epochs.add(index, "pair", RAN, Features((), (), (), 2))
    assert epochs.at(EPOCH).shares == pytest.approx(dict(DEFAULT))
    shares = epochs.at(2 * EPOCH).shares
    assert shares["random"] == DEFAULT["random"]
    assert shares["sweep"] > 3 * shares["pair"]


def test_mutations_start_from_the_corpus_and_from_the_first_finding_of_a_kind(registry):
    case = relu_case()
    large = generate(Recipe(0, 0, "torch", nodes=STARTING_NODES + 1), registry)
    epochs = Epochs(ROUTES, DEFAULT, [case, large])
    assert epochs.at(0).starts == {"torch": [case], "keras": []}
    found = [replace(relu_case(), origin={"index": i}) for i in range(4)]
    for index, outcome in enumerate((wrong(case), wrong(case), crash("no such thing"), crash("something else"))):
        epochs.add(index, "guided", replace(outcome, route="t"), CHAIN, found[index])
    starts = epochs.at(2 * EPOCH).starts["torch"]
    assert [start.origin.get("index") for start in starts] == [0, 0, 2, 3]
    assert len(epochs.kinds) == 3


def test_what_probing_found_is_known_from_the_first_case_on():
    probed = Support(frozenset({"relu float32 2"}), frozenset({"sum float32 2", "exp float32 1"}))
    epochs = Epochs(ROUTES, DEFAULT, support={"t": probed})
    first = epochs.at(0).support
    assert (first["t"].taken, first["t"].refused) == (probed.taken, probed.refused)
    assert not first["k"].refused | first["k"].taken
    epochs.add(0, "random", RAN, EXP)
    later = epochs.at(2 * EPOCH).support["t"]
    assert later.refuses("sum float32 2")
    assert not later.refuses("exp float32 1")


def test_what_a_route_refuses_is_known_of_that_route_alone(epochs):
    refused = Outcome("t", "unsupported", "conversion")
    epochs.add(0, "random", refused, CHAIN, None, Trials(("sum float32 2",), ("relu float32 2",)))
    epochs.add(1, "random", RAN, EXP)
    support = epochs.at(2 * EPOCH).support
    assert support["t"].refused == {"relu float32 2"}
    assert support["t"].taken == {"sum float32 2", "exp float32 1"}
    assert not support["k"].refused | support["k"].taken
    assert support["t"].name != epochs.at(3 * EPOCH).support["t"].name
