"""What a failure costs, with the inputs of the verdict, and what of it somebody with a scope is told."""

from __future__ import annotations

import pytest

from scrollintel.recovery.burn import Burn
from scrollintel.recovery.impact import assess, seen_by
from scrollintel.recovery.symptom import Condition
from scrollintel.recovery.target import Target
from scrollintel.recovery.topology import Topology

FAST = Burn(14.4, 20.0, 30.0)


def severity(tier: int, *, replicas: int = 1, failed: int = 1, burn: Burn | None = None, traffic: float = 1.0) -> int:
    """Return the severity of a failure of one target of a group."""
    group = None if replicas == 1 else "g"
    targets = [
        Target(name=f"a/{number}", service="a", group=group, tier=tier, traffic_share=traffic)
        for number in range(replicas)
    ]
    conditions = {target.name: Condition.FAILED for target in targets[:failed]}
    return assess(Topology(targets), targets[0], conditions, burn=burn).severity


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (1, severity(1)), (1, severity(2)), (2, severity(3)), (3, severity(4)), (4, severity(5)),
        (3, severity(1, replicas=4)), (2, severity(1, replicas=4, failed=3)), (1, severity(1, replicas=4, failed=4)),
        (4, severity(5, replicas=4)), (1, severity(3, burn=FAST)), (1, severity(1, burn=FAST)),
        (2, severity(3, burn=Burn(6.0, 7.0, 8.0))), (1, severity(1, traffic=0.05)), (2, severity(1, traffic=0.049)),
    ],
)  # fmt: skip
def test_severity_follows_tier_replicas_and_budget(expected: int, found: int) -> None:
    """Less urgent while replicas are left, more urgent while the budget burns fastest; from 1 to 4."""
    assert found == expected


def test_share_of_users_combines_those_that_suffer() -> None:
    """`1 - prod(1 - share * loss)`: half of a tenth, and a dependent of half the users that is only worse."""
    a = [Target(name=f"a/{n}", service="a", group="a", traffic_share=0.1) for n in range(2)]
    b = Target(name="b", service="b", depends_on=(("a", "soft"),), traffic_share=0.5)
    graph = Topology([*a, b])
    half = assess(graph, a[0], {})
    assert (half.share, half.affected) == (pytest.approx(0.05), ())
    whole = assess(graph, a[0], {"a/1": Condition.FAILED})
    assert whole.share == pytest.approx(1 - (1 - 0.1) * (1 - 0.5 * 0.3))
    assert whole.inputs["losses"] == [0.1, 0.15]


def test_sentence_tells_everything_that_matters() -> None:
    """Tier, replicas, who goes down, who is worse, and the budget."""
    targets = [Target(name="db", service="db", tier=1)]
    targets += [
        Target(name=name, service=name, depends_on=(("db", kind),))
        for name, kind in (("shop", "hard"), ("ads", "soft"))
    ]
    said = assess(Topology(targets), targets[0], {}, burn=FAST).sentence
    assert said == (
        "db (tier 1) is down; it takes shop down with it; ads is worse; the error budget burns 30.0 times too fast"
    )


def test_names_outside_a_scope_are_counted_and_not_told() -> None:
    """In the list, in paths and in the sentence; who sees all sees the same as before."""
    targets = [Target(name="db", service="db")]
    targets += [
        Target(name=name, service=name, depends_on=((needs, "hard"),))
        for name, needs in (("cart", "db"), ("shop", "cart"), ("wall", "shop"))
    ]
    whole = assess(Topology(targets), targets[0], {}).to_dict()
    assert seen_by(whole, "db", lambda _: True) == whole
    part = seen_by(whole, "db", {"db", "shop"}.__contains__)
    assert part["affected"] == [{"service": "shop", "degraded": False, "path": ["db", "shop"]}]
    assert part["sentence"] == "db (tier 3) is down; it takes shop down with it; 2 other services suffer"
    assert (part["hidden"], part["severity"], part["share"]) == (2, whole["severity"], whole["share"])
    assert seen_by({}, "db", lambda _: False) == {}
