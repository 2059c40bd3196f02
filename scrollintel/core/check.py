"""Check a policy before it is deployed: what is likely not meant, and the most that one call may cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from .checking import costs, rules
from .checking.findings import CODES, Finding, Findings
from .config.fallback import FallbackConfig, Value, may_shadow
from .config.policy import Policy
from .errors import ConfigError, Violation
from .events import Severity
from .pipeline import Pipeline

Checked = Policy | Pipeline | Callable[..., Any]
_GRAVITY = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFORMATION: 2, Severity.DEBUG: 3}
_MOST_STACKED = 32
"""Decorators on one function that are followed."""


def check(
    target: Checked,
    *,
    inner: Sequence[Checked] = (),
    deadline: float | None = None,
    writes: bool | None = None,
) -> Findings:
    """Return what is likely not meant in policies that are valid, and the most that one call may cost.

    Nothing is called or changed.

    Arguments:
        target: A policy, its pipeline, or a function that it protects. Policies stacked on one function are found.
        inner: Policies that are called inside each attempt of `target`, also in other services, outermost first: each
            is called inside the attempts of the one before.
        deadline: Seconds that whoever calls waits at most, above 0, or None (default) when that is not known.
        writes: Whether the operation changes something, so that running it twice does harm. None (default) when that
            is not known: then retries and hedges without `repeatable` are told, but not as errors.

    Raises:
        ConfigError: when something else is given, with the argument, its value and what is allowed.
    """
    _refuse_nonsense(inner, deadline, writes)
    policies: list[Policy] = []
    pipelines: list[Pipeline] = []
    for field, item in (("target", target), *((f"inner[{place}]", item) for place, item in enumerate(inner))):
        for policy, pipeline in _of(field, item):
            policies.append(policy)
            if pipeline is not None:
                pipelines.append(pipeline)
    found = [*rules.nesting(policies), *_each(policies, deadline, writes)]
    for policy in policies:
        running = next((pipeline for pipeline in pipelines if pipeline.policy is policy), None)
        found.extend(_fallback(policy, running))
    found.sort(key=lambda finding: _GRAVITY[CODES[finding.code].severity])
    return Findings(policies[0].name, tuple(dict.fromkeys(found)), costs.worst_case(policies, deadline))


def _each(policies: Sequence[Policy], deadline: float | None, writes: bool | None) -> Iterator[Finding]:
    around = deadline
    for place, policy in enumerate(policies):
        inside = policies[place + 1 :]
        bounded = bool(inside) and costs.cost(inside, None).seconds != float("inf")
        yield from rules.times(policy, around, bounded=bounded)
        yield from rules.repeats(policy, writes)
        yield from rules.order(policy)
        yield from rules.breaker(policy)
        yield from rules.lines(policy, around)
        ends = [end for end in (around, policy.limits.total, policy.limits.attempt) if end is not None]
        around = min(ends) if ends else None


def _refuse_nonsense(inner: object, deadline: object, writes: object) -> None:
    problems = []
    if not isinstance(inner, Sequence) or isinstance(inner, str):
        problems.append(Violation("inner", inner, "a list of policies, pipelines or protected functions"))
    sound = isinstance(deadline, int | float) and not isinstance(deadline, bool) and 0.0 < deadline < inf
    if deadline is not None and not sound:
        problems.append(Violation("deadline", deadline, "a finite number above 0 seconds or None"))
    if writes is not None and not isinstance(writes, bool):
        problems.append(Violation("writes", writes, "True or False or None"))
    if problems:
        raise ConfigError("check", problems)


def _of(field: str, item: Any) -> list[tuple[Policy, Pipeline | None]]:
    """Return the policies that an argument stands for, the outermost first."""
    if isinstance(item, Policy):
        return [(item, None)]
    if isinstance(item, Pipeline):
        return [(item.policy, item)]
    found: list[tuple[Policy, Pipeline | None]] = []
    given = item
    for _ in range(_MOST_STACKED):
        pipeline = getattr(item, "pipeline", None)
        if isinstance(pipeline, Pipeline) and (not found or found[-1][1] is not pipeline):
            found.append((pipeline.policy, pipeline))
        item = getattr(item, "__wrapped__", None)
        if item is None:
            break
    if not found:
        raise ConfigError("check", [Violation(field, given, "a Policy, a Pipeline or a protected function")])
    return found


def _fallback(policy: Policy, pipeline: Pipeline | None) -> Iterator[Finding]:
    """Tell of fallbacks that nobody knows to work; constants need no trial."""
    config = policy.fallback
    if not isinstance(config, FallbackConfig):
        return
    chain: Any = config.chain
    tried = [item for item in chain if not isinstance(item, Value)]
    view = None if pipeline is None else pipeline.snapshot()
    if view is not None and view.fallbacks:
        for one in view.fallbacks:
            if one.cold:
                yield Finding(
                    "cold_fallback", policy.name, f"Fallback {one.kind!r} would most likely fail: {one.reason}.",
                    "Repair it before it is needed.",
                )  # fmt: skip
        return
    kept_warm = config.shadow_rate > 0.0 and any(map(may_shadow, tried))
    if not tried or kept_warm or (view is not None and view.tally.fallbacks):
        return
    yield Finding(
        "cold_fallback", policy.name, "No fallback of it has run yet, as far as this process knows.",
        "Let it run now and then: `FallbackConfig(shadow_rate=0.001)` with fallbacks marked `shadowable`, or a test.",
    )  # fmt: skip
