"""Parts over all replicas of a service: the worst state, figures together, and a sentence that says why."""

from __future__ import annotations

import pytest

from scrollintel.api.routes.capacity import Kind
from scrollintel.control.capacity import KINDS, CapacityPart, ReplicaPart, of_policy
from scrollintel.control.capacity_sentences import brief_of, sentence_of
from scrollintel.replica.protocol import PolicyReport


def on(replica: str, state: str, reason: str = "", *, stale: bool = False, **figures: float) -> ReplicaPart:
    """Return a part as a replica reports it."""
    return ReplicaPart(replica, "host", 0.5, stale, state, reason, figures)


def whole(kind: str, *parts: ReplicaPart, member: str | None = None, among: int = 0) -> CapacityPart:
    """Return a part over replicas."""
    return CapacityPart(kind, "search", member, "shop", parts, among)


def test_part_state_is_the_worst_of_any_replica_that_is_not_stale() -> None:
    """What a silent replica said last does not outvote those that report."""
    some = (on("a", "normal"), on("b", "suspected"), on("c", "shedding", stale=True))
    part = whole("metastability", *some)
    assert (part.state, part.acting, part.deciding.replica) == ("suspected", True, "b")
    assert part.states() == {"normal": 1, "suspected": 1, "shedding": 1}
    silent = whole("metastability", some[2])
    assert (silent.state, silent.acting) == ("shedding", True)
    assert not whole("metastability", on("a", "learning")).acting


def test_part_state_of_a_later_version_comes_before_all_others() -> None:
    """Nobody here knows how bad it is, so it is shown and told by its name."""
    part = whole("pool", on("a", "panics"), on("b", "drained_out", "maintenance"))
    assert (part.state, part.acting) == ("drained_out", True)
    assert sentence_of(part) == "It is drained out on 1 of 2 replicas: maintenance."


def test_part_figures_of_replicas_are_added_or_the_worst_counts() -> None:
    """Slots add up, of shares that pass the least counts, of rates the mean; what nobody tells is left out."""
    part = whole(
        "metastability",
        on("a", "normal", share=1.0, rejections=2, running=3, goodput=0.5),
        on("b", "shedding", share=0.2, rejections=5, running=4, goodput=1.0),
        on("c", "normal", stale=True, running=100),
    )
    assert part.figures == {"share": 0.2, "rejections": 7, "running": 7, "goodput": 0.75}
    assert whole("pool", on("a", "reduced", hosts=4, ejected=1)).figures["share"] == 0.75
    told = whole("fallback", on("a", "warm", worked=8, failed=1, late=1, compared=4, agreed=3)).figures
    assert (told["success_share"], told["agreement"]) == (0.8, 0.75)
    assert whole("fallback", on("a", "warm", worked=0, compared=0)).figures == {"worked": 0, "compared": 0}


SENTENCES = [
    (whole("metastability", on("a", "normal")), "No overload keeps itself alive."),
    (whole("metastability", on("a", "learning")), "What traffic is usual is not known yet."),
    (
        whole("metastability", on("a", "suspected", "retries are high"), on("b", "normal")),
        "An overload seems to keep itself alive on 1 of 2 replicas: retries are high.",
    ),
    (
        whole("metastability", on("a", "shedding", "queues are long.", share=0.25, rejections=1)),
        "An overload keeps itself alive, so 25.0% of the calls pass: queues are long. Shed for that so far: 1 call.",
    ),
    (
        whole("fallback", on("a", "warm", worked=9, failed=1, last_worked=1_700_000_000)),
        "It worked in 9 of 10 runs beside calls, and worked last at 2023-11-14 22:13:20 UTC.",
    ),
    (whole("fallback", on("a", "warm")), "It has not run beside a call yet; nothing is known against it."),
    (
        whole("fallback", on("a", "cold", "its last 3 runs did not work", failed=3)),
        "It would fail when it is needed: its last 3 runs did not work. It worked in 0 of 3 runs beside calls.",
    ),
    (
        whole("fallback", on("a", "cold", "it has not worked yet, for 11 s")),
        "It would fail when it is needed: it has not worked yet, for 11 s.",
    ),
    (
        whole("admission", on("a", "serving", running=2, limit=100)),
        "Every request is let in; 2 of at most 100 run.",
    ),
    (
        whole("admission", on("a", "shedding", threshold=300, shed_sheddable=7, shed_critical=1)),
        "Too many requests come, so those below level 300 of 500 are refused. Refused so far: 7 sheddable, 1 critical.",
    ),
    (whole("pool", on("a", "whole", hosts=3)), "All of 3 hosts take calls."),
    (
        whole("pool", on("a", "reduced", hosts=3, ejected=1)),
        "1 of 3 hosts is taken out, because they failed more than the others.",
    ),
    (
        whole("pool", on("a", "panics", hosts=3, ejected=2), on("b", "whole", hosts=3, ejected=0)),
        "2 of 3 hosts are taken out on 1 of 2 replicas; so few are left that all are used.",
    ),
    (
        whole("host", on("a", "ejected", "5 failures in a row", returns_in=30), member="b", among=3),
        "It gets no calls on 1 of 3 replicas: 5 failures in a row; it comes back in 30 s.",
    ),
    (whole("limit", on("a", "free", limit=10, running=3)), "3 of 10 slots of the adaptive limit are in use."),
    (
        whole("limit", on("a", "full", limit=10, running=10, waiting=2)),
        "The adaptive limit is full: 10 run and 2 wait; further attempts wait or are refused.",
    ),
    (whole("bulkhead", on("a", "free", slots=1, running=0)), "0 of 1 slot of the bulkhead are in use."),
    (whole("throttle", on("a", "passing", share=0.0)), "Every attempt is sent."),
    (
        whole("throttle", on("a", "refusing", share=0.4)),
        "40% of ordinary attempts are not sent, because the dependency accepts too few.",
    ),
    (whole("rate_limit", on("a", "free", permits=5, capacity=10)), "5 of 10 permits are left."),
    (whole("rate_limit", on("a", "empty", permits=0)), "No permit is left; further attempts wait or are refused."),
    (
        whole("pool", on("a", "whole", stale=True, hosts=2)),
        "All of 2 hosts take calls. That was so when the last replica fell silent.",
    ),
]


@pytest.mark.parametrize(
    ("part", "sentence"), SENTENCES, ids=[f"{p.kind}-{p.state}-{i}" for i, (p, _) in enumerate(SENTENCES)]
)
def test_part_is_told_in_a_sentence(part: CapacityPart, sentence: str) -> None:
    """In plain words, with what matters of its figures."""
    assert sentence_of(part) == sentence


def test_kinds_are_those_that_the_api_lists() -> None:
    """Whoever asks for a kind gets it, and no kind is left out of the description."""
    assert [kind.value for kind in Kind] == list(KINDS)


def test_sentences_are_there_for_every_kind_and_state() -> None:
    """Also when a replica tells nothing but the state."""
    for kind, facts in KINDS.items():
        for state in facts.states:
            part = whole(kind, on("a", state))
            assert sentence_of(part).endswith(".")
            assert "search" in brief_of(part) and not brief_of(part).endswith(".")


def policy(**figures: object) -> PolicyReport:
    """Return a report of a policy."""
    values: dict[str, object] = {**dict.fromkeys(PolicyReport._fields[2:6]), "name": "search", "revision": 1}
    values |= {"retries": 0, "hedges": 0, "fallbacks": 0, "abandoned_threads": 0, **figures}
    return PolicyReport(**values)  # type: ignore[arg-type]


def test_parts_of_a_policy_are_those_that_its_figures_tell_of() -> None:
    """A policy without limits has none."""
    assert list(of_policy(policy())) == []
    full = policy(
        limit=4, limit_running=4, limit_waiting=1, limit_rejections=7, throttled=0.5, throttle_rejections=3,
        slots=2, running=1, waiting=0, permits=0.5, capacity=10.0,
    )  # fmt: skip
    assert list(of_policy(full)) == [
        ("limit", "full", {"limit": 4, "running": 4, "waiting": 1, "rejections": 7}),
        ("throttle", "refusing", {"share": 0.5, "rejections": 3}),
        ("bulkhead", "free", {"slots": 2, "running": 1, "waiting": 0}),
        ("rate_limit", "empty", {"permits": 0.5, "capacity": 10.0}),
    ]
    calm = list(of_policy(policy(limit=4, throttled=0.0, slots=1, running=1, permits=3.0)))
    assert [(kind, state) for kind, state, _ in calm] == [
        ("limit", "free"), ("throttle", "passing"), ("bulkhead", "full"), ("rate_limit", "free"),
    ]  # fmt: skip
