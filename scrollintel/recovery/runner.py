"""Run recovery strategies for a service, one after the other, until one is verified."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..core.clock import SYSTEM_CLOCK, Clock
from ..core.config.base import Config, check_name, integer, number
from ..core.errors import ConfigError, NotFoundError, PlanRefusedError, Violation
from .strategy import Observation, Plan, RecoveryOutcome, RecoveryRecord, RecoveryStrategy, Step, StepResult
from .witness import Unwitnessed, Witness

_WORST_FIRST = (RecoveryOutcome.FAILED, RecoveryOutcome.REFUSED, RecoveryOutcome.NOT_NEEDED)


@dataclass(frozen=True, slots=True)
class RecoveryConfig(Config):
    """How patiently a recovery is verified and how much is remembered.

    Arguments:
        verify_rounds: Looks at the service after acting; at least 1, default 30.
        verify_successes: Looks in a row that must find it healthy; at least 1, at most `verify_rounds`, default 2
            (HAProxy's `rise`).
        verify_interval: Seconds between two looks; default 1.
        timeout: Seconds for one strategy from its first look to its last; above 0, default 120. It is checked
            between steps: a step that blocks is not interrupted.
        history: Finished recoveries that are kept; default 100.

    Raises:
        ConfigError: with every violation.
    """

    verify_rounds: int = field(default=30, metadata=integer(minimum=1, unit="rounds"))
    verify_successes: int = field(default=2, metadata=integer(minimum=1, unit="rounds"))
    verify_interval: float = field(default=1.0, metadata=number(unit="seconds"))
    timeout: float = field(default=120.0, metadata=number(above=True, unit="seconds"))
    history: int = field(default=100, metadata=integer(minimum=1, maximum=100_000, unit="recoveries"))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse more successes than there are rounds to have them in."""
        if not broken & {"verify_rounds", "verify_successes"} and self.verify_successes > self.verify_rounds:
            allowed = f"at most verify_rounds ({self.verify_rounds} rounds)"
            yield Violation("verify_successes", self.verify_successes, allowed)


@dataclass(frozen=True, slots=True)
class _Registration:
    strategy: RecoveryStrategy
    service: str
    failure_types: frozenset[str] | None

    def serves(self, service: str, failure_type: str) -> bool:
        return self.service == service and (self.failure_types is None or failure_type in self.failure_types)


class RecoveryRunner:
    """The registry of strategies and their entry point; may be called from any thread.

    Strategies of a service are tried in the order in which they were registered. A service is recovered by one
    caller at a time.

    Arguments:
        config: Patience and memory; the defaults of `RecoveryConfig` when None.
        clock: Source of time and of waiting; the system's by default.
    """

    # No lock: each change below is one operation on a dict or deque, or swaps a whole tuple or dict.

    def __init__(self, *, config: RecoveryConfig | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._config = RecoveryConfig() if config is None else config
        self._clock = clock
        self._registered: dict[str, _Registration] = {}
        self._running: dict[str, datetime] = {}
        self._history: deque[RecoveryRecord] = deque(maxlen=self._config.history)

    @property
    def config(self) -> RecoveryConfig:
        """Patience and memory."""
        return self._config

    def register(self, strategy: RecoveryStrategy, *, service: str, failure_types: Iterable[str] | None = None) -> None:
        """Add `strategy` to the end of the chain of `service`, for all failure types or for the named ones.

        Raises:
            ConfigError: when a name is not valid, the strategy lacks a method, or its name is taken.
        """
        check_name(service, "service")
        given: object = strategy
        if not isinstance(given, RecoveryStrategy):
            allowed = "an object with name, observe, plan, act, verify and undo"
            raise ConfigError("strategy", [Violation("strategy", strategy, allowed)])
        name = check_name(strategy.name, "strategy")
        kinds = None if failure_types is None else frozenset(check_name(kind, "failure_type") for kind in failure_types)
        entry = _Registration(strategy, service, kinds)
        if self._registered.setdefault(name, entry) is not entry:
            raise ConfigError("strategy", [Violation("name", name, "a name that is not registered yet")])

    def unregister(self, name: str) -> None:
        """Take a strategy out; a recovery that has begun keeps its chain.

        Raises:
            NotFoundError: when no strategy has that name.
        """
        if self._registered.pop(name, None) is None:
            raise NotFoundError("recovery strategy", name)

    def chain(self, service: str, failure_type: str) -> tuple[RecoveryStrategy, ...]:
        """Return the strategies that would be tried, in order."""
        entries = tuple(self._registered.values())
        return tuple(entry.strategy for entry in entries if entry.serves(service, failure_type))

    def registered(self, service: str) -> tuple[tuple[RecoveryStrategy, frozenset[str] | None], ...]:
        """Return all strategies of `service` in order, each with its failure types; None for all of them."""
        entries = tuple(self._registered.values())
        return tuple((entry.strategy, entry.failure_types) for entry in entries if entry.service == service)

    @property
    def in_progress(self) -> dict[str, datetime]:
        """The services that are being recovered now, and since when (UTC)."""
        return dict(self._running)

    def history(self, service: str | None = None) -> tuple[RecoveryRecord, ...]:
        """Return the finished recoveries that are remembered, oldest first."""
        return tuple(record for record in self._history.copy() if service is None or record.service == service)

    def recover(
        self,
        service: str,
        failure_type: str,
        *,
        strategies: Sequence[RecoveryStrategy] | None = None,
        witness: Witness | None = None,
    ) -> RecoveryRecord:
        """Try the strategies of `service` in order until one is verified; blocks until that or the end of the chain.

        A strategy that fails is undone before the next one starts. How it went is in the record, failures included.

        Arguments:
            strategies: Tried in place of the registered ones.
            witness: Is told of each step as it begins and ends, and may end the recovery there; nobody by default.

        Raises:
            NotFoundError: when no strategy is given or registered for that service and failure type.
            PlanRefusedError: when that service is being recovered already.
            Exception: what the witness raised. Nothing is undone then, and the history has no record of it.
        """
        chain = self.chain(service, failure_type) if strategies is None else tuple(strategies)
        if not chain:
            raise NotFoundError("recovery strategy", f"{service}/{failure_type}")
        began, started_at = self._clock.monotonic(), _utc(self._clock)
        if (since := self._running.setdefault(service, started_at)) is not started_at:
            raise PlanRefusedError(f"service {service!r} is being recovered already, since {since:%H:%M:%S} UTC")
        try:
            run = _Run(self._config, self._clock, Unwitnessed(self._clock.sleep) if witness is None else witness)
            outcome, winner = run.through(chain)
            record = RecoveryRecord(
                service=service,
                failure_type=failure_type,
                outcome=outcome,
                strategy=winner,
                started_at=started_at,
                duration=self._clock.monotonic() - began,
                steps=tuple(run.steps),
            )
            self._history.append(record)
            return record
        finally:
            del self._running[service]


class _Run:
    """One recovery under way: takes the steps and notes each."""

    def __init__(self, config: RecoveryConfig, clock: Clock, witness: Witness) -> None:
        self._config = config
        self._clock = clock
        self._witness = witness
        self.steps: list[StepResult] = []

    def through(self, chain: tuple[RecoveryStrategy, ...]) -> tuple[RecoveryOutcome, str | None]:
        """Try each strategy; return the outcome, and the name of the one that helped."""
        seen: set[RecoveryOutcome] = set()
        for strategy in chain:
            outcome = self._attempt(strategy)
            if outcome is RecoveryOutcome.RECOVERED:
                return outcome, strategy.name
            seen.add(outcome)
        return next(outcome for outcome in _WORST_FIRST if outcome in seen), None

    def _attempt(self, strategy: RecoveryStrategy) -> RecoveryOutcome:
        deadline = self._clock.monotonic() + self._config.timeout
        observation = self._observe(strategy)
        if observation is None:
            return RecoveryOutcome.FAILED
        outcome, plan = self._plan(strategy, observation)
        if plan is None:
            return outcome
        if self._clock.monotonic() >= deadline:
            noted = _Noting(self, strategy.name, Step.ACT)
            noted.end(False, f"not started: the time limit of {self._config.timeout:g} s is over")
            return RecoveryOutcome.FAILED
        if self._act(strategy, plan) and self._verify(strategy, plan, deadline):
            return RecoveryOutcome.RECOVERED
        self._undo(strategy, plan)
        return RecoveryOutcome.FAILED

    def _observe(self, strategy: RecoveryStrategy) -> Observation | None:
        noted = _Noting(self, strategy.name, Step.OBSERVE)
        try:
            observation = strategy.observe()
        except Exception as error:
            noted.end(False, _sentence(error))
            return None
        noted.end(True, observation.symptom)
        return observation

    def _plan(self, strategy: RecoveryStrategy, observation: Observation) -> tuple[RecoveryOutcome, Plan | None]:
        noted = _Noting(self, strategy.name, Step.PLAN)
        try:
            plan = strategy.plan(observation)
        except PlanRefusedError as error:
            noted.end(False, f"refused: {error}")
            return RecoveryOutcome.REFUSED, None
        except Exception as error:
            noted.end(False, _sentence(error))
            return RecoveryOutcome.FAILED, None
        if plan is not None:
            noted.end(True, "; ".join(plan.actions))
            return RecoveryOutcome.FAILED, plan
        noted.end(observation.healthy, "nothing to do")
        return RecoveryOutcome.NOT_NEEDED if observation.healthy else RecoveryOutcome.REFUSED, None

    def _act(self, strategy: RecoveryStrategy, plan: Plan) -> bool:
        return self._effect(strategy.name, Step.ACT, strategy.act, plan)

    def _undo(self, strategy: RecoveryStrategy, plan: Plan) -> None:
        self._effect(strategy.name, Step.UNDO, strategy.undo, plan)

    def _effect(self, name: str, step: Step, effect: Callable[[Plan], None], plan: Plan) -> bool:
        noted = _Noting(self, name, step)
        try:
            effect(plan)
        except Exception as error:
            noted.end(False, _sentence(error))
            return False
        noted.end(True, "done")
        return True

    def _verify(self, strategy: RecoveryStrategy, plan: Plan, deadline: float) -> bool:
        """Look until the service was healthy often enough in a row, or rounds or time are used up."""
        config, noted = self._config, _Noting(self, strategy.name, Step.VERIFY)
        successes, rounds, detail = 0, 0, "found unhealthy"
        while rounds < config.verify_rounds:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                detail = f"the time limit of {config.timeout:g} s is over; last look: {detail}"
                break
            if rounds:
                self._witness.wait(min(config.verify_interval, left))
            rounds += 1
            try:
                healthy = strategy.verify(plan)
                detail = "found healthy" if healthy else "found unhealthy"
            except Exception as error:
                healthy, detail = False, _sentence(error)
            successes = successes + 1 if healthy else 0
            if successes == config.verify_successes:
                noted.end(True, f"healthy {successes} times in a row", rounds)
                return True
        noted.end(False, detail, rounds)
        return False


class _Noting:
    """A step that has begun; `end` writes it down with its duration."""

    def __init__(self, run: _Run, strategy: str, step: Step) -> None:
        self._run, self._strategy, self._step = run, strategy, step
        self._started_at, self._began = _utc(run._clock), run._clock.monotonic()
        run._witness.began(strategy, step, self._started_at)

    def end(self, succeeded: bool, detail: str, rounds: int = 0) -> None:
        result = StepResult(
            strategy=self._strategy,
            step=self._step,
            succeeded=succeeded,
            started_at=self._started_at,
            duration=self._run._clock.monotonic() - self._began,
            detail=detail,
            verify_rounds=rounds,
        )
        self._run.steps.append(result)
        self._run._witness.ended(result)


def _utc(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.time(), UTC)


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
