"""Oversees recoveries: makes their strategies, checks every limit before each act, proves health afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from ...control.incidents import APPROVALS
from ...control.records import RecoveryOperationRecord
from ...core.clock import Clock
from ...recovery.guardrail import Ruling, Verdict, approval_needed
from ...recovery.strategy import RecoveryStrategy, Step
from ...recovery.symptom import Depth, Look
from ...recovery.target import Target
from ...recovery.validation import Soak, depths_of
from ..recovery_strategies import Strategies
from .judgement import Judgement
from .next_step import AUTOMATION_RESTS
from .performer import Json, Run
from .questions import Questions
from .record_keeper import RecordKeeper
from .run_notes import RunNotes

SOAK_INTERVAL = 0.1
"""Shortest time between two rounds of fresh looks, seconds; otherwise the shortest interval of the target's checks."""

logger = logging.getLogger("scrollintel.recovery")


class RunOverseer:
    """The overseer of all recoveries; see `Overseer`.

    Arguments:
        judgement, strategies, questions: Limits, strategies, people.
        keeper: Where notes go.
        clock: Source of time.
        require_mine: Gives the fencing token of a run.
        probe: Takes fresh looks at a target.
    """

    def __init__(
        self,
        judgement: Judgement,
        strategies: Strategies,
        questions: Questions,
        keeper: RecordKeeper,
        *,
        clock: Clock,
        require_mine: Callable[[str], int],
        probe: Callable[[Target, Collection[Depth]], list[Look]],
    ) -> None:
        self._judgement = judgement
        self._strategies = strategies
        self._questions = questions
        self._keeper = keeper
        self._clock = clock
        self._require_mine = require_mine
        self._probe = probe
        self.on_entered: Callable[[Run, Step], None] = lambda run, step: None
        self.on_finished: Callable[[Run, RecoveryOperationRecord], None] = lambda run, record: None

    def strategy(self, run: Run, number: int) -> RecoveryStrategy:
        """Make the strategy of a remedy."""
        target = self._judgement.any_target(run["target"])
        return self._strategies.make(target, run["remedies"][number], run["requested_by"])

    def guard(self, run: Run, number: int, attempt: int, *, acting: bool) -> Json:
        """Tell whether it may go on."""
        verdict: Verdict = self._judgement.may_step(run, number, acting=acting)
        if verdict.ruling is Ruling.GO:
            return {"verdict": "go"}
        if verdict.ruling is Ruling.WAIT and not (acting and verdict.guard in AUTOMATION_RESTS):
            return {"verdict": "wait", "seconds": verdict.seconds, "why": verdict.why}
        logger.info("recovery %s may not act: %s", run["id"], verdict.why)
        return {"verdict": "refuse", "why": f"{verdict.guard}: {verdict.why}", "final": verdict.final}

    def stopped(self) -> str | None:
        """Tell why all automation is stopped."""
        return self._judgement.stopped()

    def approval(self, run: Run, number: int, plan: Json) -> str | None:
        """Tell why a person has to agree to a plan."""
        target, remedy = self._judgement.any_target(run["target"]), run["remedies"][number]
        automatic = run["incident"] is not None
        return approval_needed(self._strategies.traits(target, remedy), remedy.get("approval"), automatic)

    def ask(self, run: Run, number: int, plan: Json, why: str, key: str) -> Json:
        """Put the question to people."""
        target = self._judgement.any_target(run["target"])
        record = self._questions.ask(run, target, plan, why, key)
        left = max(0.0, (record.expires_at - self._judgement.now).total_seconds())
        return {"id": record.id, "digest": record.digest, "timeout": left}

    def require_mine(self, run: Run) -> int:
        """Return the fencing token."""
        return self._require_mine(run["id"])

    def soak(self, run: Run, notes: RunNotes) -> tuple[bool, str, int] | None:
        """Take fresh looks until the target is proven healthy, or its time is over."""
        target = self._judgement.target(run["target"])
        if target is None:
            return None
        depths = depths_of({check.depth for check in target.checks} | ({Depth.ALIVE} if target.heartbeat else set()))
        if not depths:
            return None
        intervals = [check.interval for check in target.checks]
        interval = max(SOAK_INTERVAL, min(intervals, default=1.0))
        limits = target.limits
        soak = Soak(limits.successes, limits.verify_timeout, self._clock.monotonic())
        while True:
            notes.go_on()
            began = self._clock.monotonic()
            looks = self._probe(target, depths)
            verdict = soak.take(looks, self._clock.monotonic())
            if verdict is not None:
                return verdict, soak.sentence(depths), soak.rounds
            notes.wait(max(0.0, interval - (self._clock.monotonic() - began)))

    def entered(self, run: Run, step: Step) -> None:
        """Hear that a step begins."""
        self.on_entered(run, step)

    def finished(self, run: Run, record: RecoveryOperationRecord) -> None:
        """Hear that a recovery is over."""
        if any(question.recovery == record.id for question in self._keeper.records(APPROVALS.name)):
            self._keeper.save(self._questions.close(record.id))
        self._judgement.ended(record)
        self.on_finished(run, record)
