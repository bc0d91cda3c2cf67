from __future__ import annotations

import pytest

from tests.bucket.faults import Draws, Plan, Rule, plan_of
from tests.bucket.routes import Call


def hits(plan: Plan, calls: list[Call]) -> list[str | None]:
    draws = Draws(plan)
    return [rule.kind if (rule := draws.decide(call)) else None for call in calls]


def downloads(count: int) -> list[Call]:
    return [Call(op="download", bucket="bucket", name=f"part-{number}") for number in range(count)]


def test_a_rate_is_met_about_as_often_and_the_same_way_for_the_same_seed() -> None:
    plan = Plan(rules=(Rule(kind="503", rate=0.1),), seed=1)
    found = hits(plan, downloads(2000))
    assert 150 < found.count("503") < 250
    assert hits(plan, downloads(2000)) == found
    assert hits(Plan(rules=plan.rules, seed=2), downloads(2000)) != found


def test_the_order_in_which_requests_for_several_objects_arrive_changes_nothing() -> None:
    plan = Plan(rules=(Rule(kind="503", rate=0.3),))
    one_round, by_object = downloads(50), [call for call in downloads(50) for _ in range(4)]
    found, sorted_found = hits(plan, one_round * 4), hits(plan, by_object)
    assert [found[index::50] for index in range(50)] == [sorted_found[4 * i : 4 * i + 4] for i in range(50)]


def test_rules_choose_operations_and_objects_and_the_first_that_hits_counts() -> None:
    rules = (
        Rule(kind="reset", ops=("upload", "resumable.*")),
        Rule(kind="429", objects="*/checkpoint"),
        Rule(kind="stall", ops=("list",)),
    )
    calls = [
        Call(op="resumable.put", name="run/checkpoint"),
        Call(op="download", name="run/checkpoint"),
        Call(op="download", name="run/data"),
        Call(op="list"),
    ]
    assert hits(Plan(rules=rules), calls) == ["reset", "429", None, "stall"]


def test_a_rule_lets_some_requests_through_first_and_ends_after_others() -> None:
    plan = Plan(rules=(Rule(kind="500", skip=2, count=3),))
    assert hits(plan, downloads(7)) == [None, None, "500", "500", "500", None, None]


def test_bits_flip_only_in_objects() -> None:
    calls = [Call(op=op) for op in ("list", "stat", "upload", "resumable.put", "part", "download")]
    assert hits(Plan(rules=(Rule(kind="bit_flip"),)), calls) == [None, None, *["bit_flip"] * 4]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rules": [{"kind": "fire"}]}, "fault 'fire': it is one of reset, lost_response, .* or a status from 400"),
        ({"rules": [{"kind": "503", "rate": 2}]}, "rate 2 is not between 0 and 1"),
        ({"rules": [{"kind": "503", "often": 1}]}, "a plan of faults: .*'often'"),
        ({"latency": 1}, "a plan of faults: .*'latency'"),
    ],
)
def test_a_plan_that_is_none_is_refused_with_the_word(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_of(given)
