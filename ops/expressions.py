"""PromQL over the families that scrollintel tells: one source for the panels of Grafana and the rules of Prometheus."""

from __future__ import annotations

import re

from scrollintel.telemetry import families as f
from scrollintel.telemetry import platform_families as p
from scrollintel.telemetry.exposition import Definition, Kind

MERGED = {definition.name: definition for definition in p.CONTROL_PLANE}
"""Every family as the control plane tells it."""
OPEN = 'state=~"open|half_open"'
"""A circuit that refuses calls by itself; one that a person holds open is isolated."""
TRIED = 'outcome=~"success|failure"'
"""Attempts that say something about what was called."""
GAP = "2m"
"""How long scrapes may fail before what was known is forgotten."""
BY_CIRCUIT = ("job", "service", "circuit")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_TARGET = frozenset({"job", "instance"})


def series(definition: Definition, *matchers: str, suffix: str = "", over: str = "") -> str:
    """Return a selector of a family.

    Arguments:
        definition: The family.
        matchers: Such as `state="open"`; several in one text are separated by commas.
        suffix: Of a histogram: `_bucket`, `_count` or `_sum`.
        over: A window such as `5m`; empty (default) for what holds at one moment.

    Raises:
        ValueError: when the family has no such label, or is no histogram.
    """
    whole = MERGED[definition.name]
    known = _TARGET | set(whole.labels)
    if whole.split is not None:
        known |= {whole.split[0]}
    if bool(suffix) != (whole.kind is Kind.HISTOGRAM):
        raise ValueError(f"{whole.name} is a {whole.kind}, so it has no {suffix or 'samples of its own'}")
    text = ",".join(part for part in matchers if part)
    strangers = set(_LABEL.findall(text)) - known
    if strangers:
        raise ValueError(f"{whole.name} has no label {sorted(strangers)}")
    return f"{whole.name}{suffix}" + (f"{{{text}}}" if text else "") + (f"[{over}]" if over else "")


def equal(label: str, value: str) -> str:
    """Return the matcher of a label that has a value of this project's own, such as a state."""
    return f'{label}="{value}"'


def lately(definition: Definition, *matchers: str) -> str:
    """Return the latest samples of a family, across scrapes that fail.

    A scrape that fails takes away all series, so an alert that waits would begin to wait anew, in an overload again and
    again.
    """
    return f"last_over_time({series(definition, *matchers, over=GAP)})"


def total(inner: str, *by: str, of: str = "sum") -> str:
    """Return an aggregation by labels; over everything without any."""
    return f"{of} by ({', '.join(by)}) ({inner})" if by else f"{of}({inner})"


def rate(definition: Definition, *matchers: str, over: str, by: tuple[str, ...] = (), suffix: str = "") -> str:
    """Return how often a counter rises each second, summed up by labels."""
    return total(f"rate({series(definition, *matchers, suffix=suffix, over=over)})", *by)


def increase(definition: Definition, *matchers: str, over: str, by: tuple[str, ...] = (), suffix: str = "") -> str:
    """Return by how much a counter rises over a window, summed up by labels."""
    return total(f"increase({series(definition, *matchers, suffix=suffix, over=over)})", *by)


def quantile(share: float, definition: Definition, *matchers: str, over: str, by: tuple[str, ...] = ()) -> str:
    """Return a quantile of a histogram over a window."""
    return f"histogram_quantile({share:g}, {rate(definition, *matchers, over=over, by=(*by, 'le'), suffix='_bucket')})"


def quantile_so_far(share: float, definition: Definition, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """Return a quantile of a histogram since its process was started.

    For what is rare: the series of a histogram appears with its first observation, which no rate over a window sees.
    """
    buckets = series(definition, *matchers, suffix="_bucket")
    return f"histogram_quantile({share:g}, {total(buckets, *by, 'le')})"


def failure_ratio(*matchers: str, over: str, by: tuple[str, ...] = ()) -> str:
    """Return which share of the attempts that were made fails; refused ones were not made."""
    failed = rate(f.CIRCUIT_ATTEMPTS, *matchers, 'outcome="failure"', over=over, by=by)
    return f"{failed} / {rate(f.CIRCUIT_ATTEMPTS, *matchers, TRIED, over=over, by=by)}"


def refusing(*matchers: str) -> str:
    """Return 1 for each circuit that is open or half-open at this moment, and 0 for the others."""
    return total(series(f.CIRCUIT_STATE, *matchers, OPEN), *BY_CIRCUIT, of="max")


def refusing_lately() -> str:
    """Return the same across scrapes that fail."""
    return total(lately(f.CIRCUIT_STATE, OPEN), *BY_CIRCUIT, of="max")


def changes_of_closed(*matchers: str, over: str) -> str:
    """Return how often each circuit was seen to leave the state closed and to come back, each way counted.

    Probes of a circuit that stays open change its state as well, and do not count here.
    """
    closed = series(f.CIRCUIT_STATE, *matchers, 'state="closed"', over=over)
    return total(f"changes({closed})", *BY_CIRCUIT, of="max")


def budget_left(*matchers: str) -> str:
    """Return which share of a retry budget is left, of the poorest replica."""
    tokens, reserve = series(f.BUDGET_TOKENS, *matchers), series(f.BUDGET_RESERVE, *matchers)
    return total(f"{tokens} / {reserve}", "job", "service", "policy", of="min")


def budget_empty(*matchers: str, over: str) -> str:
    """Return the tokens of each retry budget that pays for no retry while calls are given up."""
    by = ("job", "service", "policy")
    tokens = total(lately(f.BUDGET_TOKENS, *matchers), *by, of="min")
    return f"{tokens} < 1 and {increase(f.RETRIES_GIVEN_UP, *matchers, over=over, by=by)} > 0"


def platform_ill(*matchers: str) -> str:
    """Return 0 for each control plane that is not well; one that only stands by is not meant to write."""
    standby = lately(p.STORAGE_STATE, *matchers, 'state="standby"')
    return f"{lately(p.PLATFORM_HEALTHY, *matchers)} == 0 unless on (job, instance) {standby} == 1"
