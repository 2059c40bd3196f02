"""The page of a campaign: harm first, then times beside the baselines, with the interval of each ratio."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence

from .campaign import Done
from .scenarios import OURS, PLAIN, PROBE, SCENARIOS, Scenario
from .statistics import quantile, ratio_of_medians, restricted_mean

HEAD = """# How fast and how safely services come back

Twelve faults in real processes, with PostgreSQL, Redis, an HTTP worker and an agent on one machine. A prober of its own
does real jobs 20 times a second and alone says what was down and when it was up again: the first of 60 good operations
in a row. `make chaos` repeats it; it goes on where it was broken off.

Arms: **ours** is a fresh `scrollintel serve` with `mode = "recover"` and checks every 100 ms. **A1** is a plain
supervisor: restart 100 ms after an exit, at most 5 starts in 10 s, no detection of hangs. **A2** is A1 with Kubernetes'
default liveness: every 10 s, 1 s patience, 3 misses, back-off from 10 s. The arms of one run share their seed and
follow each other; the moment of the fault is random within a check's interval.
"""


def page(runs: Sequence[Done]) -> str:
    """Return the page in Markdown."""
    parts = [HEAD, _machine(runs), _harm(runs), _times(runs), _ratios(runs), _parts(runs)]
    return "\n".join(parts)


def _machine(runs: Sequence[Done]) -> str:
    return (
        f"{len(runs)} runs, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}.\n"
    )


def _harm(runs: Sequence[Done]) -> str:
    lines = [
        "## Harm", "",
        "A breach is something that must not happen, whatever the time it saves. Zero in n runs means at most",
        "about 3/n at 95 %.", "",
        "| scenario | arm | runs | breaches | not recovered | most starts in a run |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for scenario, arm, found in _groups(runs):
        breaches = sum(len(done.breaches) for done in found)
        lost = sum(not done.recovered for done in found)
        starts = max(done.actions for done in found)
        lines.append(f"| {scenario.name} {scenario.title} | {arm} | {len(found)} | {breaches} | {lost} | {starts} |")
    sentences = sorted({f"- {done.scenario} {done.arm}: {text}" for done in runs for text in done.breaches})
    return "\n".join([*lines, "", *sentences, ""] if sentences else [*lines, ""])


def _times(runs: Sequence[Done]) -> str:
    lines = [
        "## Seconds that users were without service", "",
        "From the first failed job to the first of the good ones. A run that did not recover counts as its deadline in",
        "the mean and as infinite in the quantiles. In C05 and C06 the harness ends the fault after 6 to 7 s: what is",
        "shown there is how long it lasted, and nothing is restarted.", "",
        "| scenario | class | arm | runs | p50 | p90 | p95 | max | mean |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for scenario, arm, found in _groups(runs):
        values = _values(found)
        if not values:
            continue
        cells = [_seconds(quantile(values, share)) for share in (0.5, 0.9, 0.95, 1.0)]
        mean = _seconds(restricted_mean(values, scenario.deadline))
        lines.append(f"| {scenario.name} | {scenario.kind} | {arm} | {len(values)} | {' | '.join(cells)} | {mean} |")
    return "\n".join([*lines, ""])


def _ratios(runs: Sequence[Done]) -> str:
    lines = [
        "## Against the baselines", "",
        "Ratio of medians, ours over theirs, with a bootstrap interval of 95 %. Below 1 is shorter.", "",
        "| scenario | class | against | ratio | 95 % interval |",
        "| --- | --- | --- | ---: | ---: |",
    ]  # fmt: skip
    groups = {(scenario.name, arm): found for scenario, arm, found in _groups(runs)}
    for scenario in SCENARIOS:
        ours = _values(groups.get((scenario.name, OURS), []))
        for arm in (PLAIN, PROBE):
            theirs = _values(groups.get((scenario.name, arm), []))
            if not ours or not theirs:
                continue
            found = ratio_of_medians(ours, theirs, deadline=scenario.deadline, seed=1)
            lost = " (they did not recover; an upper bound)" if math.inf in theirs else ""
            lines.append(
                f"| {scenario.name} | {scenario.kind} | {arm}{lost} | {found.value:.2f} | "
                f"{found.low:.2f} to {found.high:.2f} |"
            )
    return "\n".join([*lines, ""])


def _parts(runs: Sequence[Done]) -> str:
    lines = [
        "## Where the time goes, ours", "",
        "Medians in milliseconds: fault to declared failure, to the first durable step, to the end of the action, to",
        "proven health.", "",
        "| scenario | detection | initiation | action | validation |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for scenario, arm, found in _groups(runs):
        if arm != OURS:
            continue
        cells = []
        for name in ("detection", "initiation", "action", "validation"):
            values = [getattr(done, name) for done in found if getattr(done, name) is not None]
            cells.append(f"{quantile(values, 0.5) * 1000:.0f}" if values else "")
        if any(cells):
            lines.append(f"| {scenario.name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _groups(runs: Sequence[Done]) -> list[tuple[Scenario, str, list[Done]]]:
    found = []
    for scenario in SCENARIOS:
        for arm in scenario.arms:
            mine = [done for done in runs if (done.scenario, done.arm) == (scenario.name, arm)]
            if mine:
                found.append((scenario, arm, mine))
    return found


def _values(found: Sequence[Done]) -> list[float]:
    """Return the outages; a run without one that did recover says nothing."""
    return [
        math.inf if not done.recovered else done.total for done in found if not done.recovered or done.total is not None
    ]


def _seconds(value: float) -> str:
    return "not recovered" if math.isinf(value) else f"{value:.2f}"
