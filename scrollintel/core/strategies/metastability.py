"""The detector of metastable failures at run time: it stands around everything of a policy but its fallback."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..chance import chance
from ..clock import Clock
from ..config.breaker import CircuitBreakerConfig
from ..config.metastability import MetastabilityConfig
from ..context import REQUEST
from ..errors import MetastableSheddingError
from ..hub import EventHub
from ..locks import new_lock, renew_after_fork
from ..machines.metastability import Change, MetastabilityMachine, Phase
from .classify import IGNORED, SUCCESS, Judge
from .gate import Immediate, tell_refusal

if TYPE_CHECKING:
    from ..snapshot import MetastabilitySnapshot


_ANSWERED = (SUCCESS, IGNORED)


class Metastability(Immediate):
    """The gate of one detector; it sees whole calls, not their attempts.

    Arguments:
        breaker: Says what is a failure; None when the policy has no breaker, then every error is.
        source: Gives random numbers from 0 up to but not including 1.
    """

    __slots__ = (
        "__weakref__", "_clock", "_hub", "_judge", "_lock", "_machine", "_name", "_random", "_reason", "config",
        "rejections",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        config: MetastabilityConfig,
        clock: Clock,
        hub: EventHub,
        *,
        breaker: CircuitBreakerConfig | None = None,
        source: Callable[[], float] = chance,
    ) -> None:
        self.rejections = 0
        self._name = name
        self._clock = clock
        self._hub = hub
        self._random = source
        self._lock = new_lock()
        self._machine = MetastabilityMachine(config, clock.monotonic())
        self._reason = ""
        self._adopt(config, breaker)
        renew_after_fork(self)

    def _adopt(self, config: MetastabilityConfig, breaker: CircuitBreakerConfig | None) -> None:
        self.config = config
        self._judge = Judge(breaker)

    @property
    def phase(self) -> Phase:
        """What the traffic is taken for."""
        return self._machine.phase

    @property
    def share(self) -> float:
        """Share of the calls that passes."""
        return self._machine.share

    def snapshot(self) -> MetastabilitySnapshot:
        """Return how the detector stands."""
        from ..snapshot import MetastabilitySnapshot

        with self._lock:
            machine = self._machine
            usual, seen = machine.usual, machine.seen
            return MetastabilitySnapshot(
                phase=machine.phase.value,
                share=machine.share,
                reason=self._reason,
                running=machine.running,
                rejections=self.rejections,
                goodput=seen.goodput,
                usual_goodput=usual.goodput,
                rate=seen.rate,
                usual_rate=usual.rate,
                attempts=seen.attempts,
                usual_attempts=usual.attempts,
                usual_running=usual.running,
            )

    # ------------------------------------------------------------------ calls

    def enter(self, call: Call) -> object:
        """Count an offered call and let it pass, or raise MetastableSheddingError."""
        rank = REQUEST.get().criticality.rank
        now = self._clock.monotonic()
        with self._lock:
            permit = self._machine.enter(now, rank, self._random())
            self.rejections += permit is None
            changes = self._take()
        if changes:
            self._tell(changes)
        if permit is not None:
            return permit
        tell_refusal(self._hub, self._clock, self._name, "metastability")
        raise MetastableSheddingError(self._name)

    def leave(self, call: Call, permit: Any, error: BaseException | None, value: object) -> None:
        """Count how the call ended: well when its caller got an answer, also one that says no."""
        good = self._judge.verdict(error, value) in _ANSWERED
        now = self._clock.monotonic()
        with self._lock:
            self._machine.leave(permit, now, call.attempt, good=good)
            changes = self._take()
        if changes:
            self._tell(changes)

    def reconfigure(self, config: MetastabilityConfig, breaker: CircuitBreakerConfig | None) -> None:
        """Go on under `config` with what has been learnt."""
        with self._lock:
            self._adopt(config, breaker)
            self._machine.reconfigure(config)
            changes = self._take()
        self._tell(changes)

    def after_fork_in_child(self) -> None:
        """Forget the calls of the parent, which do not end here."""
        self._machine.forget_running()

    # ------------------------------------------------------------------ inside

    def _take(self) -> tuple[Change, ...]:
        """Take what has changed; the lock is held."""
        machine = self._machine
        changes, machine.changes = machine.changes, ()
        if changes:
            self._reason = changes[-1].sentence
        return changes

    def _tell(self, changes: tuple[Change, ...]) -> None:
        if not self._hub.watched:
            return
        from ..events import MetastableOver, MetastableShedding, MetastableSuspected

        at = self._clock.time()
        for change in changes:
            if change.new is Phase.SUSPECTED:
                self._hub.emit(MetastableSuspected(policy=self._name, at=at, reason=change.sentence))
            elif change.new is Phase.NORMAL:
                self._hub.emit(MetastableOver(policy=self._name, at=at, reason=change.sentence))
            else:
                self._hub.emit(MetastableShedding(policy=self._name, at=at, share=change.share, reason=change.sentence))
