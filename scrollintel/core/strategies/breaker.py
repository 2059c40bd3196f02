"""The gate of one circuit: which calls pass, and what their ends count as."""

from __future__ import annotations

from math import inf
from typing import Any

from ..call import Call
from ..chance import chance
from ..errors import (
    CallTimeoutError,
    CircuitHalfOpenError,
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitRampingError,
    RejectedError,
    text_of,
)
from ..machines.answers import Permit, Probe, Refusal
from ..outcome import Verdict
from ..states import CircuitState
from .classify import cancels
from .gate import NO_RESULT, Wait
from .standing import Standing

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
DISABLED = CircuitState.DISABLED
SUCCESS, FAILURE, ABANDONED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.ABANDONED


class Circuit(Standing):
    """The gate of one circuit.

    While `calm_era` is not negative, drivers neither enter nor leave: they remember it, and if it is still the same
    afterwards and `boundary` has not passed, they leave the success in the books. Everything else goes through `enter`
    and `leave`, which lock.
    """

    __slots__ = ()

    def enter(self, call: Call) -> Permit:
        """Admit an attempt; raises CircuitOpenError when the circuit refuses."""
        machine = self.machine
        # Reads without the lock. A closed circuit admits whatever it remembers; an era that is over by the time the
        # state is read makes a late result. A reader that sees the end of another open period is refused or let on
        # to the lock, both of which were right a moment earlier or later.
        era = machine.era
        if machine.state is CLOSED and machine.ramp is None and machine.era == era:
            return era
        now = self.clock.monotonic()
        if machine.state is OPEN:
            left = machine.open_until - now
            if left > 0.0:
                raise self._refused(OPEN, left)
        with self._lock:
            answer = machine.admit(now, self._spread())
            if self.queue_limit and isinstance(answer, Probe):
                machine.extend(answer, self.queue_limit)
            self._after()
        if isinstance(answer, Refusal):
            raise self._refused(answer.state, answer.retry_after)
        return answer

    def readmit(self) -> int:
        """Return the era for a further attempt of a call on the short way, or -1 when that takes a decision."""
        machine = self.machine
        era = machine.era
        return era if machine.state is CLOSED and machine.ramp is None and machine.era == era else -1

    def refuses_for(self) -> float:
        """Return the seconds for which every call is refused: 0 when one may be admitted, infinite when isolated."""
        machine = self.machine
        state = machine.state
        if state is OPEN:
            return max(0.0, machine.open_until - self.clock.monotonic())
        return inf if state is CircuitState.ISOLATED else 0.0

    def refuse_if_open(self) -> None:
        """Raise CircuitOpenError when that is all that could come of a call; otherwise do nothing."""
        machine = self.machine
        if machine.state is OPEN:
            left = machine.open_until - self.clock.monotonic()
            if left > 0.0:
                rejected = self._rejected
                if rejected is None or self.hub.active:
                    raise self._refused(OPEN, left)
                # The same as `_refused`, in place: a storm of refusals is when their price matters.
                rejected.step()
                raise CircuitOpenError(self.config.name, left, self.last_failure, self.key)

    def resume(self, call: Call, wait: Wait) -> Permit:
        """Never called: a circuit does not let wait."""
        return self.enter(call)

    def give_up(self, call: Call, wait: Wait) -> None:
        """Never called: a circuit does not let wait."""

    def begin(self, permit: Permit, now: float, limit: float | None) -> None:
        """Note that the attempt of a permit starts to run, for at most `limit` seconds."""
        if isinstance(permit, Probe):
            with self._lock:
                self.machine.start(permit, now, limit)

    def extend(self, permit: Permit, seconds: float) -> None:
        """Lengthen the lease of a probe by a wait that is not the dependency's."""
        if isinstance(permit, Probe):
            with self._lock:
                self.machine.extend(permit, seconds)

    def leave(self, call: Call, permit: Any, error: BaseException | None, value: object) -> Verdict:
        """Count the end of an attempt that `enter` admitted, and return what it counts as."""
        now = self.clock.monotonic()
        began = call.began
        if began is None:
            # The attempt never ran: refused by an inner layer, which counts it, or cancelled while it waited there.
            self.settle(permit, ABANDONED, now, None, error, counted=not isinstance(error, RejectedError))
            return ABANDONED
        expires = call.expires
        overdue = expires is not None and now >= expires
        if error is not None:
            verdict, timed_out = self._judge(error, overdue)
        elif overdue:
            verdict, timed_out = FAILURE, True
        else:
            timed_out = False
            try:
                verdict = FAILURE if self._fails(value) else SUCCESS
            except BaseException:
                # The caller hears of a broken predicate; the circuit gets its permit back and counts nothing.
                self.settle(permit, ABANDONED, now, None, None)
                raise
        self.settle(permit, verdict, now, now - began, error, timed_out=timed_out, measured=call.measured)
        if timed_out:
            limit = now - began if expires is None else expires - began
            self.tell_timeout(limit, call.attempt, abandoned=call.abandoned)
        return verdict

    def settle_first(self, era: int, error: BaseException, now: float, elapsed: float | None, call: Call) -> None:
        """Count the failure of an attempt that passed the circuit without `enter`, as `leave` does."""
        expires = call.expires
        overdue = expires is not None and now >= expires
        verdict, timed_out = self._judge(error, overdue)
        self.settle(era, verdict, now, elapsed, error, timed_out=timed_out, measured=call.measured)
        if timed_out and elapsed is not None:
            self.tell_timeout(elapsed if expires is None else expires - (now - elapsed), call.attempt)

    def settle(
        self,
        permit: Permit,
        verdict: Verdict,
        now: float,
        elapsed: float | None,
        error: BaseException | None,
        *,
        timed_out: bool = False,
        measured: bool = True,
        counted: bool = True,
    ) -> None:
        """Count one result under the lock.

        `measured` tells whether its duration is recorded, `counted` whether it belongs into the tally.
        """
        config = self.config
        slow_after = config.slow_call_duration
        slow = slow_after is not None and elapsed is not None and elapsed > slow_after
        failure = None
        if verdict is FAILURE:
            kind = type(error).__name__ if error is not None else "CallTimeoutError" if timed_out else "result"
            failure = (kind, text_of(error), self.clock.time())
        machine = self.machine
        with self._lock:
            if machine.window is not None:
                self._absorb(now)
            u = chance() if config.open_jitter else 0.5
            decides = permit.__class__ is Probe and machine.state is HALF_OPEN
            if machine.settle(permit, verdict, now, slow, u) and counted and machine.state is not DISABLED:
                measures = measured and config.response_times
                self._count(verdict, failure, elapsed if measures else None, slow, timed_out)
                if failure is not None or (verdict is SUCCESS and (slow or decides)):
                    story = self._story or self._own_story()
                    story.note((now, None if failure is None else failure[0], elapsed, slow))
            if machine.transitions:
                self._after()
            elif machine.failures:
                self.calm_era = -1
            else:
                self._refresh()

    def tell_timeout(self, timeout: float, attempt: int, *, abandoned: bool = False) -> None:
        """Tell that an attempt did not end within `timeout` seconds."""
        if self.hub.active:
            from ..events import CallTimedOut

            event = CallTimedOut(
                policy=self.name, at=self.clock.time(), timeout=timeout, attempt=attempt, abandoned=abandoned
            )
            self.hub.emit(event)

    # ------------------------------------------------------------------ inside

    def _judge(self, error: BaseException, overdue: bool) -> tuple[Verdict, bool]:
        """Return the verdict and whether it is a timeout. Whatever ends an attempt after its own end is one.

        That includes a cancellation, which then is the deadline's and not the caller's, at whichever level.
        """
        if overdue and (isinstance(error, Exception) or cancels(error)):
            return FAILURE, True
        verdict = self._classify(error)
        return verdict, verdict is FAILURE and isinstance(error, CallTimeoutError)

    def _fails(self, value: object) -> bool:
        predicate = self.config.result_predicate
        return predicate is not None and value is not NO_RESULT and bool(predicate(value))

    def _refused(self, state: CircuitState, retry_after: float | None) -> CircuitOpenError:
        """Count a refusal and return its error; the lock is free."""
        self.count_refusal()
        if self.hub.active:
            self._tell_refusal(retry_after)
        if state is OPEN:
            return CircuitOpenError(self.config.name, retry_after, self.last_failure, self.key)
        if state is HALF_OPEN:
            return CircuitHalfOpenError(self.config.name, retry_after, self.last_failure, self.key)
        kind = CircuitIsolatedError if state is CircuitState.ISOLATED else CircuitRampingError
        return kind(self.config.name, retry_after, self.last_failure, self.key)

    def _tell_refusal(self, retry_after: float | None) -> None:
        from ..events import CallRejected

        if not self.hub.wants(CallRejected):
            return
        event = CallRejected(
            policy=self.name, at=self.clock.time(), layer="breaker", retry_after=retry_after, key=self.key
        )
        self.hub.emit(event)
