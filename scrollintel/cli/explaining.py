"""What a control plane knows of a circuit, as sentences: why it is as it is, and what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ..core.evidence import DecidingCall, Evidence
from ..core.explaining.account import Account, Explanation, count, seconds
from ..core.explaining.circuits import evidence_sentences
from .output import ago, part, parts, plain

MOST_REPLICAS = 10
"""Replicas that are told one by one; those that refuse calls come first."""


def explanation_of(item: Mapping[str, Any], now: datetime) -> Explanation:  # Any: JSON values
    """Return why a circuit stands as the control plane tells it."""
    account = Account()
    name, state = plain(item.get("name")), _words(item.get("state"))
    account.say(f"The circuit {name!r} is {state}. {plain(item.get('why'))}")
    order = part(item, "order")
    if order:
        by, since = plain(order.get("by")), ago(order.get("since"), now)
        account.say(f"{by} ordered to {plain(order.get('order'))} it {since}: {plain(order.get('reason'))}.")
        account.then("the order holds until somebody ends it")
    account.say(*_decided(item, now), *_replicas(item, now))
    counters = part(item, "counters")
    if counters:
        told = {kind: _number(counters.get(kind)) for kind in ("successes", "failures", "rejections")}
        account.say(
            f"On all replicas together {told['successes']} attempts succeeded, {told['failures']} failed and "
            f"{told['rejections']} were refused."
        )
    failure = part(item, "last_failure")
    if failure:
        account.say(f"The last failure was {plain(failure.get('type'))}, {ago(failure.get('at'), now)}.")
    probe = item.get("next_probe")
    if isinstance(probe, int | float):
        account.then(f"the next probe in {seconds(float(probe))}")
    return Explanation(name, now.timestamp(), tuple(account.sentences), tuple(account.next), dict(item))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _words(state: object) -> str:
    return plain(state).replace("_", " ")


def _decided(item: Mapping[str, Any], now: datetime) -> Iterator[str]:  # Any: JSON values
    """Tell of the latest change that calls decided."""
    for change in parts(item, "transitions"):
        found = part(change, "evidence")
        if found:
            moved = f"{_words(change.get('old'))} to {_words(change.get('new'))}"
            yield f"It went from {moved} on {plain(change.get('replica'))} {ago(change.get('at'), now)}."
            yield from evidence_sentences(_evidence(found))
            return


def _evidence(found: Mapping[str, Any]) -> Evidence:  # Any: JSON values
    calls = tuple(
        DecidingCall(
            plain(call.get("outcome")),
            None if call.get("error") is None else plain(call.get("error")),
            _moment(call.get("at")),
        )
        for call in parts(found, "calls")
    )
    total, failures, slow = (_number(found.get(name)) for name in ("total", "failures", "slow"))
    return Evidence(rule=plain(found.get("rule")), total=total, failures=failures, slow=slow, calls=calls)


def _moment(value: object) -> float | None:
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def _replicas(item: Mapping[str, Any], now: datetime) -> Iterator[str]:  # Any: JSON values
    rows = parts(item, "on_replicas")
    if not rows:
        yield "No replica reports it."
        return
    states = Counter(_words(row.get("state")) for row in rows)
    listed = ", ".join(f"{number} {state}" for state, number in states.most_common())
    yield f"{count(len(rows), 'report')}: {listed}."
    troubled = [row for row in rows if row.get("state") not in ("closed", "disabled", "metrics_only")]
    for row in troubled[:MOST_REPLICAS]:
        key = "" if row.get("key") is None else f", key {plain(row.get('key'))!r}"
        stale = ", but has not reported lately" if row.get("stale") else ""
        yield (
            f"On {plain(row.get('replica'))}{key} it is {_words(row.get('state'))} since {ago(row.get('since'), now)}:"
            f" {plain(row.get('reason'))}{stale}."
        )
