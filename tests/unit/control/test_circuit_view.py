"""A circuit as a whole, merged from what replicas report, and the sentence that says why it is so."""

from __future__ import annotations

from datetime import UTC, datetime

from scrollintel.control.circuit_view import CircuitWhole, ReplicaCircuit, explain, mean, worst_quantile
from scrollintel.control.records import CircuitOrder
from scrollintel.core.states import CircuitState
from scrollintel.replica.protocol import CircuitReport


def report(state: str = "closed", **fields: object) -> CircuitReport:
    """Return a report of the circuit payments."""
    values: dict[str, object] = dict.fromkeys(CircuitReport._fields, 0)
    values |= {"name": "payments", "key": None, "state": state, "reason": "created", "retry_after": None}
    values |= dict.fromkeys(("p50", "p95", "p99", "mean", "maximum", "last_failure_type", "last_failure_at"))
    return CircuitReport(**{**values, **fields})  # type: ignore[arg-type]


def part(replica: str, given: CircuitReport, *, age: float = 0.0, stale: bool = False) -> ReplicaCircuit:
    """Return the circuit on a replica."""
    return ReplicaCircuit(replica, "orders", "host", age, stale, given)


def whole(*parts: ReplicaCircuit, order: CircuitOrder | None = None) -> CircuitWhole:
    """Return the circuit over replicas."""
    return CircuitWhole("payments", None, None, order, parts)


def test_whole_state_is_the_worst_of_its_parts() -> None:
    """One open replica of three makes the whole open, and the counts tell how many."""
    circuit = whole(part("a", report()), part("b", report("open")), part("c", report("half_open")))
    assert circuit.state is CircuitState.OPEN
    assert circuit.states() == {"closed": 1, "open": 1, "half_open": 1}


def test_whole_state_ignores_silent_replicas_while_others_speak() -> None:
    """What a silent replica said last does not outvote those that report."""
    assert whole(part("a", report()), part("b", report("open"), stale=True)).state is CircuitState.CLOSED
    assert whole(part("b", report("open"), stale=True)).state is CircuitState.OPEN


def test_whole_next_probe_counts_down_with_the_age_of_the_report() -> None:
    """Thirty seconds that were left ten seconds ago are twenty now."""
    assert whole(part("a", report("open", retry_after=30.0), age=10.0)).next_probe == 20.0
    assert whole(part("a", report("open", retry_after=3.0), age=10.0)).next_probe == 0.0


def test_whole_sums_counters_and_bounds_quantiles() -> None:
    """Counters add up; the largest quantile bounds the whole's; the mean is weighted by calls."""
    parts = (
        part("a", report(successes=30, p99=0.1, mean=0.01)),
        part("b", report(successes=10, p99=0.4, mean=0.05)),
    )
    assert whole(*parts).total("successes") == 40
    assert worst_quantile(parts, "p99") == 0.4
    assert mean(parts) == 0.02
    assert mean(()) is None


def test_explain_says_where_why_and_what_comes_next() -> None:
    """An open circuit names its reason, the last failure and the next probe."""
    given = report("open", reason="5 failures in a row", retry_after=27.4, last_failure_type="ConnectionError")
    assert explain(whole(part("abcdefghij", given))) == (
        "Calls are refused on replica abcdefgh: 5 failures in a row; the last failure was ConnectionError; "
        "the next probe comes in 27 s."
    )


def test_explain_of_a_circuit_that_nobody_reports() -> None:
    """What is configured and what was ordered are told apart."""
    assert "no replica has reported it yet" in explain(whole())
    order = CircuitOrder(
        circuit="payments",
        order="isolated",
        reason="maintenance",
        since=datetime(2026, 1, 1, tzinfo=UTC),
        changed_by="local",
        sequence=1,
    )
    assert "maintenance" in explain(whole(order=order))
    assert whole(order=order).state is CircuitState.ISOLATED
