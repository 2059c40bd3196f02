"""Runs scenarios again and again, arms interleaved, and keeps every run in a file, so that a campaign can go on."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .observed import operations
from .rig import Rig
from .scenarios import ARMS, OURS, SCENARIOS, SETTLE, Finding, Scenario, Stage, supervise

OFTEN = frozenset({"C01", "C02", "C04", "C12"})
"""Scenarios that are run ten times per arm; the others five times with ours alone."""


@dataclass(frozen=True)
class Done:
    """One run as it is kept.

    Arguments:
        total: Seconds from the first failed operation to the recovery; None when there was no outage, infinity (null
            in the file) when it did not recover.
        detection, initiation, action, validation: Seconds between fault, declaration, first durable step, end of the
            action, and proven health, as the platform's records say; None where there is none.
    """

    scenario: str
    arm: str
    run: int
    seed: int
    total: float | None
    recovered: bool
    failures: int
    breaches: list[str]
    actions: int
    detection: float | None = None
    initiation: float | None = None
    action: float | None = None
    validation: float | None = None


def planned(names: Sequence[str], often: int, seldom: int) -> Iterator[tuple[Scenario, str, int]]:
    """Yield scenario, arm and number of each run, the arms of one number beside each other."""
    for scenario in SCENARIOS:
        if names and scenario.name not in names:
            continue
        for run in range(often if scenario.name in OFTEN else seldom):
            for arm in ARMS if scenario.name in OFTEN else (OURS,):
                if arm in scenario.arms:
                    yield scenario, arm, run


def play(scenario: Scenario, arm: str, run: int, seed: int) -> Done:
    """Do one run on a fresh rig."""
    rig = Rig.make()
    try:
        options = scenario.prepare(rig)
        with supervise(rig, arm, options) as started:
            rig.prepare()
            status = None if scenario.agent is None else rig.folder / "agent.json"
            if status is not None:
                rig.wait(status.exists)
            platform = started if arm == OURS else None
            with rig.probing(status) as output:
                stage = Stage(rig, arm, platform, output, random.Random(f"{seed} {scenario.name} {run}"))  # type: ignore[arg-type]  # a Platform
                time.sleep(SETTLE)
                before = operations(output)
                assert before, "the prober does not work"
                assert all(operation.good for operation in before[5:]), "users fail before the fault"
                with nullcontext():
                    finding = scenario.play(stage, scenario.deadline)
                return _done(scenario, arm, run, seed, finding, stage)
    finally:
        rig.close()


def _done(scenario: Scenario, arm: str, run: int, seed: int, finding: Finding, stage: Stage) -> Done:
    seen = finding.outage
    total = None if seen is None or seen.failures == 0 else seen.total
    recovered = seen is None or math.isfinite(seen.recovered_at)
    times = {} if stage.platform is None else _times(stage)
    return Done(
        scenario=scenario.name,
        arm=arm,
        run=run,
        seed=seed,
        total=None if total is None or math.isinf(total) else round(total, 4),
        recovered=recovered,
        failures=0 if seen is None else seen.failures,
        breaches=finding.breaches,
        actions=finding.actions,
        **times,
    )


def _times(stage: Stage) -> dict[str, float | None]:
    """Return the parts of the platform's first incident."""
    from datetime import datetime

    assert stage.platform is not None
    found = [incident for incident in stage.platform.incidents() if incident["recovering_at"]]
    if not found:
        return {}
    first = found[0]
    fault = time.time() - (time.monotonic() - stage.fault_at)
    moments = [fault] + [
        None if first[name] is None else datetime.fromisoformat(first[name]).timestamp()
        for name in ("declared_at", "recovering_at", "acted_at", "validated_at")
    ]
    names = ("detection", "initiation", "action", "validation")
    return {
        name: None if early is None or late is None else round(late - early, 4)
        for name, early, late in zip(names, moments[:-1], moments[1:], strict=True)
    }


def kept(path: Path) -> list[Done]:
    """Return the runs of a file."""
    if not path.exists():
        return []
    return [Done(**json.loads(line)) for line in path.read_text().splitlines() if line.strip()]


def keep(path: Path, done: Done) -> None:
    """Add a run to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        stream.write(json.dumps(_finite(asdict(done))) + "\n")


def _finite(value: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(item, float) and not math.isfinite(item) else item for name, item in value.items()}
