"""Performs the steps of recoveries: what the engine decides to do next is done here, and written down."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from ...control.records import RECOVERIES, RecoveryOperationRecord
from ...core.errors import LeaseLostError, PlanRefusedError, ScrollIntelError
from ...recovery.runner import RecoveryConfig
from ...recovery.strategy import RecoveryStrategy, Step, traits_of
from ...storage.errors import StoreUnavailableError
from ..plane import ControlPlane
from .documents import observation_document, observation_of, plan_document, plan_of
from .record_keeper import RecordKeeper
from .run_notes import CutShortError, RunNotes, end_note, ended_before, interrupted, over, sentence

Run = Mapping[str, Any]  # Any: JSON values of mixed types
Json = dict[str, Any]  # Any: JSON values of mixed types

SHORTEST_WAIT = 0.05
"""Seconds that a step waits at least before it asks again whether it may act."""
MAX_ENDED = 10_000
"""Recoveries that are remembered as ended before any step of them was performed here."""

logger = logging.getLogger("scrollintel.recovery")


class Overseer(Protocol):
    """Says what a recovery may do, and hears what it has done. Called in the threads of recoveries."""

    def strategy(self, run: Run, number: int) -> RecoveryStrategy:
        """Make the strategy of a remedy; raises NotFoundError when there is none of that kind any more."""

    def guard(self, run: Run, number: int, attempt: int, *, acting: bool) -> Json:
        """Tell whether it may go on: {"verdict": "go" | "wait" | "refuse", "seconds", "why", "final"}."""

    def approval(self, run: Run, number: int, plan: Json) -> str | None:
        """Tell why a person has to agree to a plan; None when nobody has to."""

    def ask(self, run: Run, number: int, plan: Json, why: str, key: str) -> Json:
        """Put the question to people and return {"id", "digest", "timeout"}; the same for the same key."""

    def require_mine(self, run: Run) -> int:
        """Return the fencing token; raises LeaseLostError when the recovery has passed to another process."""

    def stopped(self) -> str | None:
        """Tell why all automation is stopped, or None."""

    def soak(self, run: Run, notes: RunNotes) -> tuple[bool, str, int] | None:
        """Look at the target until it is proven healthy or not: so, one sentence, looks. None when nothing looks."""

    def entered(self, run: Run, step: Step) -> None:
        """Hear that a step begins."""

    def finished(self, run: Run, record: RecoveryOperationRecord) -> None:
        """Hear that a recovery is over, and that this is on disk."""


class Performer:
    """Performs steps; called by the engine in threads that may block, never twice at once for one run.

    Arguments:
        plane: The control plane.
        keeper: Where notes go.
        overseer: Strategies and rules.
        patience: How often `verify` is asked where the overseer has no looks of its own.
    """

    def __init__(
        self, plane: ControlPlane, keeper: RecordKeeper, overseer: Overseer, *, patience: RecoveryConfig
    ) -> None:
        self._plane = plane
        self._keeper = keeper
        self._overseer = overseer
        self._patience = patience
        self._runs: dict[str, RunNotes] = {}
        self._ended: dict[str, str] = {}  # run that no step of was performed here → why it is to end
        self._lock = threading.Lock()
        self._steps: Mapping[str, Callable[[Run, RunNotes, Mapping[str, Any], str], Json]] = {  # Any: JSON values
            "guard": self._guard,
            "observe": self._observe,
            "plan": self._plan,
            "ask": self._ask,
            "act": self._act,
            "verify": self._verify,
            "undo": self._undo,
            "finish": self._finish,
        }

    def __call__(self, run: Run, step: str, arguments: Mapping[str, Any], key: str) -> Json:  # Any: JSON values
        """Perform a step and return its result as JSON values.

        Raises:
            LeaseLostError: when the recovery has passed to another process; nothing is recorded of it here.
        """
        notes = self.notes(run)
        try:
            return self._steps[step](run, notes, arguments, key)
        except CutShortError as error:
            if step == "finish":
                raise
            return {"cancelled": str(error), "verdict": "cancelled", "why": str(error)}
        except LeaseLostError:
            self.forget(run["id"])  # it goes on elsewhere; what is known of it here is old from now on
            raise

    def notes(self, run: Run) -> RunNotes:
        """Return the notes of a run; those of a run that began in an earlier life are taken up again."""
        with self._lock:
            known = self._runs.get(run["id"])
            if known is None:
                record = self._keeper.find(RECOVERIES.name, run["id"])
                known = RunNotes(self._plane, self._keeper, self._from(run) if record is None else record)
                self._runs[run["id"]] = known
                why = self._ended.pop(run["id"], None) or ended_before(known.record)
                if why is not None:
                    known.end(why)
            return known

    def end(self, run: str, why: str) -> None:
        """End a run after the step that it is in; one of which no step was performed here, before its first."""
        with self._lock:
            notes = self._runs.get(run)
            if notes is None:
                self._ended[run] = why
                while len(self._ended) > MAX_ENDED:
                    del self._ended[next(iter(self._ended))]
        if notes is not None:
            notes.end(why)

    def ended_by(self, run: str) -> str | None:
        """Return why a run was to end that nobody has performed here, or None; told once."""
        with self._lock:
            return self._ended.pop(run, None)

    def running(self) -> dict[str, RunNotes]:
        """Return the runs that have performed a step in this process and are not over."""
        with self._lock:
            return dict(self._runs)

    def tell_ended(self, run: Run, record: RecoveryOperationRecord) -> None:
        """Have whoever oversees a recovery hear that it has ended, though nobody has performed its end."""
        self._overseer.finished(run, record)

    def forget(self, run: str) -> None:
        """Let go of a run that is over."""
        with self._lock:
            self._runs.pop(run, None)

    @staticmethod
    def _from(run: Run) -> RecoveryOperationRecord:
        return RecoveryOperationRecord(
            id=run["id"],
            service=run["service"],
            failure_type=run["failure_type"],
            status="running",
            outcome=None,
            strategy=None,
            requested_by=run["requested_by"],
            reason=run.get("reason"),
            started_at=datetime.fromisoformat(run["started_at"]),
            finished_at=None,
            duration=None,
            incident=run.get("incident"),
            target=run["target"],
            remedies=tuple(run["remedies"]),
        )

    # ------------------------------------------------------------------ steps

    def _guard(self, run: Run, notes: RunNotes, arguments: Mapping[str, Any], key: str) -> Json:  # Any: JSON values
        notes.go_on()
        return self._overseer.guard(run, arguments["remedy"], arguments["attempt"], acting=False)

    def _observe(self, run: Run, notes: RunNotes, arguments: Mapping[str, Any], key: str) -> Json:  # Any: JSON values
        strategy = self._made(run, notes, arguments, Step.OBSERVE, key)
        if isinstance(strategy, dict):
            return strategy
        self._began(run, notes, strategy.name, Step.OBSERVE, key)
        try:
            observation = strategy.observe()
        except Exception as error:  # whatever a strategy does, it is a result
            return self._failed(notes, error)
        notes.ended(True, observation.symptom)
        return {"healthy": observation.healthy, "observation": observation_document(observation)}

    def _plan(self, run: Run, notes: RunNotes, arguments: Mapping[str, Any], key: str) -> Json:  # Any: JSON values
        strategy, observation = (
            self._made(run, notes, arguments, Step.PLAN, key), observation_of(arguments["observation"]),
        )  # fmt: skip
        if isinstance(strategy, dict):
            return strategy
        self._began(run, notes, strategy.name, Step.PLAN, key)
        idle = observation.healthy and run.get("incident") is not None and not traits_of(strategy).acts_on_healthy
        try:
            plan = None if idle else strategy.plan(observation)
        except PlanRefusedError as error:
            notes.ended(False, f"refused: {error}")
            return {"plan": None, "refused": sentence(str(error)), "error": None, "approval": None}
        except Exception as error:  # whatever a strategy does, it is a result
            return {"plan": None, "refused": None, "approval": None, **self._failed(notes, error)}
        if plan is None:
            notes.ended(observation.healthy, "nothing to do")
            return {"plan": None, "refused": None, "error": None, "approval": None}
        notes.ended(True, "; ".join(plan.actions))
        document = plan_document(plan)
        return {
            "plan": document,
            "refused": None,
            "error": None,
            "approval": self._overseer.approval(run, arguments["remedy"], document),
        }

    def _ask(self, run: Run, notes: RunNotes, arguments: Mapping[str, Any], key: str) -> Json:  # Any: JSON values
        notes.go_on()
        return self._overseer.ask(run, arguments["remedy"], arguments["plan"], arguments["why"], key)

    def _act(self, run: Run, notes: RunNotes, arguments: Mapping[str, Any], key: str) -> Json:  # Any: JSON values
        notes.go_on()
        verdict = self._overseer.guard(run, arguments["remedy"], arguments["attempt"], acting=True)
        while verdict["verdict"] == "wait":
            notes.wait(max(SHORTEST_WAIT, float(verdict["seconds"])))
            verdict = self._overseer.guard(run, arguments["remedy"], arguments["attempt"], acting=True)
        if verdict["verdict"] != "go":
            return {"refused": verdict["why"]}
        strategy = self._made(run, notes, arguments, Step.ACT, key)
        if isinstance(strategy, dict):
            return strategy
        try:
            self._began(run, notes, strategy.name, Step.ACT, key)
        except StoreUnavailableError as error:
            return {"refused": str(error)}
        plan = plan_of(arguments["plan"], key=key, epoch=self._overseer.require_mine(run))
        try:
            strategy.act(plan)
        except LeaseLostError:
            raise
        except Exception as error:  # whatever a strategy does, it is a result
            return {"ok": False, "detail": self._failed(notes, error)["error"]}
        notes.ended(True, "done")
        return {"ok": True, "detail": "done"}

    def _undo(self, run: Run, notes: RunNotes, arguments: Mapping[str, Any], key: str) -> Json:  # Any: JSON values
        strategy = self._made(run, notes, arguments, Step.UNDO, key)
        if isinstance(strategy, dict):
            return strategy
        self._began(run, notes, strategy.name, Step.UNDO, key)
        stopped = self._overseer.stopped()
        if stopped is not None:
            notes.ended(False, f"not undone: {stopped}")
            return {"ok": False, "detail": stopped}
        plan = plan_of(arguments["plan"], key=key, epoch=self._overseer.require_mine(run))
        try:
            strategy.undo(plan)
        except LeaseLostError:
            raise
        except Exception as error:  # whatever a strategy does, it is a result
            return {"ok": False, "detail": self._failed(notes, error)["error"]}
        notes.ended(True, "done")
        return {"ok": True, "detail": "done"}

    def _verify(self, run: Run, notes: RunNotes, arguments: Mapping[str, Any], key: str) -> Json:  # Any: JSON values
        """Have the strategy say that its effect is there, then have fresh looks prove health."""
        strategy, plan = self._made(run, notes, arguments, Step.VERIFY, key), plan_of(arguments["plan"])
        if isinstance(strategy, dict):
            return strategy
        self._began(run, notes, strategy.name, Step.VERIFY, key)
        good, detail, rounds = self._asked(notes, lambda: strategy.verify(plan))
        if good:
            soaked = self._overseer.soak(run, notes)
            if soaked is not None:
                good, detail, looks = soaked
                rounds += looks
        notes.ended(good, detail, rounds=rounds)
        return {"ok": good, "detail": detail, "looks": rounds}

    def _asked(self, notes: RunNotes, verify: Callable[[], bool]) -> tuple[bool, str, int]:
        """Ask the strategy until it has said yes often enough in a row, or rounds or time are used up."""
        config, clock = self._patience, self._plane.clock
        deadline = clock.monotonic() + config.timeout
        successes, rounds, detail = 0, 0, "found unhealthy"
        while rounds < config.verify_rounds:
            left = deadline - clock.monotonic()
            if left <= 0:
                return False, f"the time limit of {config.timeout:g} s is over; last look: {detail}", rounds
            if rounds:
                notes.wait(min(config.verify_interval, left))
            rounds += 1
            try:
                healthy = verify()
                detail = "found healthy" if healthy else "found unhealthy"
            except Exception as error:  # whatever a strategy does, it is a result
                healthy, detail = False, _said(error)
            successes = successes + 1 if healthy else 0
            if successes == config.verify_successes:
                return True, f"healthy {successes} times in a row", rounds
        return False, detail, rounds

    def _finish(self, run: Run, notes: RunNotes, arguments: Mapping[str, Any], key: str) -> Json:  # Any: JSON values
        outcome, now = arguments["outcome"], datetime.fromtimestamp(self._plane.clock.time(), UTC)
        detail = arguments.get("detail")
        if outcome == "cancelled":
            record = interrupted(notes.record, now, detail or "it was cancelled")
        else:
            ended = replace(notes.record, status="finished", outcome=outcome, strategy=arguments.get("strategy"))
            record = over(replace(ended, detail=None if detail is None else sentence(detail)), now)
        self._keeper.save(end_note(record))
        self.forget(run["id"])
        self._overseer.finished(run, record)
        return {}

    # ------------------------------------------------------------------ notes

    def _made(
        self,
        run: Run,
        notes: RunNotes,
        arguments: Mapping[str, Any],
        step: Step,
        key: str,  # Any: JSON values
    ) -> RecoveryStrategy | Json:
        """Return the strategy of a remedy, or the result of a step whose strategy cannot be made any more."""
        notes.go_on()
        try:
            return self._overseer.strategy(run, arguments["remedy"])
        except LeaseLostError:
            raise
        except Exception as error:  # its target or its options have changed, or its code fails
            self._began(run, notes, _kind(run, arguments), step, key)
            said = str(error) if isinstance(error, ScrollIntelError) else _said(error)
            notes.ended(False, said)
            return {"plan": None, "ok": False, "detail": said, "looks": 0, "error": sentence(said)}

    def _began(self, run: Run, notes: RunNotes, strategy: str, step: Step, key: str) -> None:
        notes.go_on()
        notes.began(strategy, step.value, key)
        self._overseer.entered(run, step)

    @staticmethod
    def _failed(notes: RunNotes, error: Exception) -> Json:
        said = _said(error)
        notes.ended(False, said)
        if not isinstance(error, ScrollIntelError | OSError):
            logger.warning(
                "a strategy of recovery %s failed: %s", notes.record.id, type(error).__name__, exc_info=error
            )
        return {"error": sentence(said)}


def _kind(run: Run, arguments: Mapping[str, Any]) -> str:  # Any: JSON values
    kind: str = run["remedies"][arguments["remedy"]]["kind"]
    return kind


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
