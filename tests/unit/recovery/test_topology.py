"""Where to act when much is down, and who suffers."""

from __future__ import annotations

from scrollintel.recovery.symptom import Condition
from scrollintel.recovery.target import Target
from scrollintel.recovery.topology import Affected, ObservedEdge, Topology

Needs = dict[str, str]


def topology(**services: Needs) -> Topology:
    """Return services with what each needs, and how."""
    return Topology(
        Target(name=name, service=name, depends_on=tuple(needs.items())) for name, needs in services.items()
    )


def down(*names: str) -> dict[str, Condition]:
    """Return conditions in which these are down."""
    return dict.fromkeys(names, Condition.FAILED)


CHAIN = {"shop": {"cart": "hard", "ads": "soft"}, "cart": {"db": "hard"}, "db": {}, "ads": {}}


def test_root_is_the_failed_one_without_a_failed_hard_dependency() -> None:
    """The others wait for it, whatever is in between."""
    graph = topology(**CHAIN)
    assert graph.root_suspects(["shop", "cart", "db"], down("shop", "cart", "db")) == ["db"]
    assert graph.way_to_root("shop", down("shop", "cart", "db")) == ["cart", "db"]
    assert (graph.held_by("shop", down("shop", "cart", "db")), graph.held_by("db", down("db"))) == ("db", None)


def test_dependency_that_serves_or_is_only_soft_holds_nobody() -> None:
    """A failed soft dependency, and a failed one further away behind one that is up."""
    graph = topology(**CHAIN)
    assert graph.held_by("shop", down("shop", "ads")) is None
    assert graph.held_by("shop", down("shop", "db")) is None
    assert graph.root_suspects(["shop", "db"], down("shop", "db")) == ["shop", "db"]


def test_service_is_down_when_none_of_its_replicas_serves() -> None:
    """One that serves suffices; what nobody watches counts as up."""
    replicas = [Target(name=f"db/{name}", service="db", group="db") for name in "ab"]
    shop = Target(name="shop", service="shop", depends_on=(("db", "hard"), ("mail", "hard")))
    graph = Topology([*replicas, shop])
    assert graph.held_by("shop", down("db/a")) is None
    assert graph.held_by("shop", down("db/a", "db/b")) == "db/a"
    recovering = {"db/a": Condition.RECOVERING, "db/b": Condition.QUARANTINED}
    assert graph.held_by("shop", recovering) == "db/a"


def test_circle_is_broken_at_the_first_that_comes_round() -> None:
    """Declarations with circles are refused; what slips through must not hang or hold everything for ever."""
    graph = topology(a={"b": "hard"}, b={"c": "hard"}, c={"a": "hard"})
    conditions = down("a", "b", "c")
    assert [graph.held_by(name, conditions) for name in "abc"] == ["c", "a", "b"]
    assert graph.way_to_root("a", conditions) == ["b", "c"]


def test_affected_are_down_behind_hard_edges_and_worse_behind_soft_ones() -> None:
    """What depends on something that is only worse is not affected."""
    graph = topology(db={}, cart={"db": "hard"}, shop={"cart": "hard"}, board={"shop": "soft"}, wall={"board": "hard"})
    assert graph.affected("db", down("db")) == [
        Affected("cart", False, ("db", "cart")),
        Affected("shop", False, ("db", "cart", "shop")),
        Affected("board", True, ("db", "cart", "shop", "board")),
    ]


def test_fallback_that_is_up_keeps_a_dependent_working() -> None:
    """Worse, and without taking others along; once it is down too, so is the dependent."""
    graph = topology(db={}, cache={}, shop={"db": "hard", "cache": "fallback"}, board={"shop": "hard"})
    assert graph.affected("db", down("db")) == [Affected("shop", True, ("db", "shop"))]
    both = graph.affected("db", down("db", "cache"))
    assert [(item.service, item.degraded) for item in both] == [("shop", False), ("board", False)]
    assert graph.affected("cache", down("cache")) == []


def test_dependents_are_one_target_of_each_service_that_needs_it() -> None:
    """Levels are held by service, so one of several replicas stands for all; soft ones need none."""
    replicas = [
        Target(name=f"shop/{name}", service="shop", group="shop", depends_on=(("db", "hard"),)) for name in "ab"
    ]
    soft = Target(name="ads", service="ads", depends_on=(("db", "soft"),))
    assert [target.name for target in Topology([*replicas, soft]).dependents("db")] == ["shop/a"]


def test_observed_edges_are_kept_beside_declared_ones() -> None:
    """They are shown, and decide nothing."""
    graph = Topology([Target(name=name, service=name) for name in "ab"], [ObservedEdge("a", "b", 1.0)])
    assert (graph.edges(), graph.observed[0].needs) == ([], "b")
    assert graph.held_by("a", down("a", "b")) is None
