"""What a campaign is told: operators and dtypes by pattern, and which routes run which cases."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from graphfuzz.campaign.configuration import Configuration, check, parse_routes, resolved
from graphfuzz.campaign.epochs import Epochs
from graphfuzz.campaign.lanes import shares_of
from graphfuzz.campaign.schedule import schedule
from graphfuzz.errors import UsageError
from graphfuzz.spec.registry import Registry

TORCH, DYNAMO, KERAS = "torch-script-ort", "torch-dynamo-ort", "tf2onnx-ort"


def planned(configuration: Configuration, registry: Registry, **settings: object) -> list[tuple[int, str]]:
    """The executions that a campaign gives out, by case and route."""
    frameworks = check(configuration, registry)
    epochs = Epochs(frameworks, shares_of(configuration.lanes))
    tasks = schedule(configuration, frameworks, epochs, **settings)  # type: ignore[arg-type]
    return [(place.index, task.route) for place, task in tasks]


def test_a_route_runs_its_share_of_the_cases_and_one_of_the_largest_all(registry: Registry) -> None:
    routes = (TORCH, DYNAMO, KERAS)
    configuration = Configuration(routes, 7, cases=400, shares={TORCH: 2.0, DYNAMO: 0.5, KERAS: 2.0})
    given = planned(configuration, registry)
    assert given == sorted(given, key=lambda one: (one[0], routes.index(one[1])))
    ran = Counter(route for _, route in given)
    assert (ran[TORCH], ran[KERAS]) == (400, 400)
    assert ran[DYNAMO] == pytest.approx(100, abs=30)


def test_which_cases_a_route_runs_does_not_depend_on_other_routes(registry: Registry) -> None:
    def cases(*routes: str) -> set[int]:
        configuration = Configuration(routes, 7, cases=60, shares={DYNAMO: 0.5})
        return {index for index, route in planned(configuration, registry) if route == DYNAMO}

    assert cases(TORCH, DYNAMO) == cases(KERAS, DYNAMO, TORCH)
    assert 0 < len(cases(TORCH, DYNAMO)) < 60


def test_a_schedule_goes_on_in_the_middle_of_a_case(registry: Registry) -> None:
    configuration = Configuration((DYNAMO, TORCH, KERAS), 7, cases=40, shares={DYNAMO: 0.3, KERAS: 0.6})
    whole = planned(configuration, registry)
    assert len(whole) < 3 * 40
    for at in range(1, len(whole)):
        done = {one for one in whole[:at] if one[0] == whole[at - 1][0]}
        assert planned(configuration, registry, done=done) == whole[at:]


def test_routes_are_named_with_or_without_a_share() -> None:
    assert parse_routes([TORCH, f"{KERAS}=0.5"]) == {TORCH: None, KERAS: 0.5}
    with pytest.raises(UsageError, match="--route a=b: write NAME or NAME=SHARE"):
        parse_routes(["a=b"])


@pytest.mark.parametrize("share", [0.0, -1.0, math.nan, math.inf])
def test_a_share_of_a_route_is_positive(registry: Registry, share: float) -> None:
    with pytest.raises(UsageError, match=f"route '{TORCH}' has the share .*; give a positive number"):
        check(Configuration((TORCH, KERAS), 0, shares={TORCH: share}), registry)


def test_patterns_are_resolved_to_names_and_nothing_else_changes(registry: Registry) -> None:
    given = Configuration((TORCH,), 3, operators=("tanh", "relu*"), without=("relu6",), dtypes=("float*",))
    told = resolved(given, registry)
    assert told.operators[:2] == ("tanh", "relu")
    assert "relu6" not in told.operators
    assert told.dtypes == ("float16", "float32", "float64")
    assert resolved(told, registry) == told
    plain = Configuration((TORCH,), 3)
    assert resolved(plain, registry) == plain
    assert plain.recipe(4, "torch").operators == plain.recipe(4, "torch").dtypes == ()


def test_what_is_left_out_alone_leaves_all_others(registry: Registry) -> None:
    told = resolved(
        Configuration((TORCH,), 3, without=("conv*", "family:pooling"), without_dtypes=("complex*",)), registry
    )
    assert set(registry) > set(told.operators) > {"relu", "add"}
    assert not [name for name in told.operators if name.startswith("conv")]
    assert not {"complex64", "complex128"} & set(told.dtypes)
    recipe = told.recipe(0, "torch")
    assert (recipe.operators, recipe.dtypes) == (told.operators, told.dtypes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"operators": ("rleu",)}, "there is no operator 'rleu'; the nearest are relu"),
        ({"without": ("convv*",)}, "there is no operator 'convv.*'; the nearest are conv"),
        ({"dtypes": ("flaot32",)}, "there is no dtype 'flaot32'; the nearest are float32"),
        ({"without_dtypes": ("*",)}, "no dtype is left"),
        ({"operators": ("relu",), "without": ("re*",)}, "no operator is left"),
        ({"operators": ("bitwise_and",), "dtypes": ("float32",)}, "no operator is left"),
        ({"operators": ("argmax",), "dtypes": ("int32",)}, f"route '{TORCH}' needs operators of torch"),
    ],
)
def test_a_selection_that_cannot_work_is_refused_at_once(
    registry: Registry, changes: dict[str, tuple[str, ...]], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        check(Configuration((TORCH,), 0, **changes), registry)  # type: ignore[arg-type]
