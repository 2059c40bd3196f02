"""Ask a service behind an open circuit whether it is well again, beside the calls."""

from __future__ import annotations

import inspect
import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from ..chance import chance
from ..clock import Clock
from ..errors import FailureSummary
from ..locks import renew_after_fork
from ..states import CircuitState

if TYPE_CHECKING:
    from .standing import Standing

OPEN = CircuitState.OPEN
SPREAD = 0.25
"""Share by which the time to the next question varies, both ways, so that many processes do not ask together."""
MOST_AT_ONCE = 16
"""Questions of one owner that may be unanswered at once; a service that hangs holds one of them."""


class ProbeTally:
    """What came of the questions of one circuit: how many, how many in vain, and the latest error.

    `asking` is the process in which one runs, or 0: a forked child never hears of an answer to its parent's question.
    """

    __slots__ = ("asked", "asking", "failed", "last")

    def __init__(self) -> None:
        self.asked = self.failed = self.asking = 0
        self.last: FailureSummary | None = None


class Watch:
    """One open period of one circuit, and when it is asked for next."""

    __slots__ = ("circuit", "due", "era", "expires")

    def __init__(self, circuit: Standing, era: int, now: float) -> None:
        self.circuit = weakref.ref(circuit)
        self.era = era
        self.expires: float | None = None
        self.due = now + _pause(circuit)

    def open_circuit(self) -> Standing | None:
        """Return the circuit while this open period runs; one whose time is over becomes half-open."""
        circuit = self.circuit()
        if circuit is None or circuit.config.health_probe is None or circuit.machine.era != self.era:
            return None
        return circuit if circuit.state is OPEN and circuit.machine.era == self.era else None


class HealthProber:
    """The owner of the questions of one circuit, or of all circuits of one policy.

    One daemon thread runs while a circuit is open, and each question runs in a thread of its own, because no thread can
    be stopped from outside: a question that hangs is given up at its time limit, and no further one is asked for that
    circuit until it has returned. The thread holds no circuit, so it ends with the open periods and with the circuits.
    A forked child asks by itself for the circuits that are open then.
    On a clock that has timers of its own, as in tests and simulations, its timers take the place of the threads.

    Everything here is free of locks, because it is begun under the lock of a circuit.
    """

    __slots__ = ("__weakref__", "_clock", "_inbox", "_leave", "_places", "_watches")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._renew()

    def _renew(self) -> None:
        self._inbox: deque[Watch] = deque()
        self._leave: deque[None] = deque([None])
        self._watches: list[Watch] = []
        self._places: deque[None] = deque([None] * MOST_AT_ONCE)

    def notice(self, circuit: Standing, era: int) -> None:
        """Begin to ask for a circuit that has just opened; the lock of the circuit is held."""
        watch = Watch(circuit, era, self._clock.monotonic())
        if self._clock.call_later(_pause(circuit), lambda: self._ask_by_timer(watch)) is not None:
            return
        renew_after_fork(self)
        self._inbox.append(watch)
        self._begin()

    def after_fork_in_child(self) -> None:
        """Go on with the open periods; the threads of the parent are not here, and answers to them come to nobody."""
        left = dict.fromkeys((*self._watches, *self._inbox))
        self._renew()
        for watch in left:
            circuit = watch.circuit()
            if circuit is not None and circuit.machine.era == watch.era:
                # A pause of its own, so that many children do not ask together.
                self._inbox.append(Watch(circuit, watch.era, self._clock.monotonic()))
        if self._inbox:
            self._begin()

    def _begin(self) -> None:
        try:
            self._leave.pop()
        except IndexError:
            return
        try:
            threading.Thread(target=self._run, name="scrollintel-health-probes", daemon=True).start()
        except RuntimeError:  # no thread can be started now; the open period ends by time
            self._inbox.clear()
            self._leave.append(None)

    # ------------------------------------------------------------------ by threads

    def _run(self) -> None:
        never = threading.Event()
        while True:
            delay = self._step()
            if delay is not None:
                self._clock.wait(never, delay)
                continue
            self._leave.append(None)
            if not self._inbox:
                return
            try:
                self._leave.pop()
            except IndexError:
                return

    def _step(self) -> float | None:
        """Ask what is due; return the seconds until the next look, or None when nothing is open."""
        while self._inbox:
            # Never in neither, not even for a fork that comes between.
            self._watches.append(self._inbox[0])
            self._inbox.popleft()
        now = self._clock.monotonic()
        delay = None
        staying = []
        for watch in self._watches:
            circuit = watch.open_circuit()
            if circuit is None:
                continue
            staying.append(watch)
            if watch.expires is not None and now >= watch.expires:
                _fail(circuit, TimeoutError(f"no answer within {circuit.config.probe_timeout:g} s"))
                watch.expires = None
            if watch.due <= now and _tally(circuit).asking != os.getpid() and self._places:
                self._ask(watch, circuit, now)
            # A circuit that opens meanwhile is seen before its first question is due.
            ends = [circuit.machine.open_until - now, circuit.config.probe_interval / 2]
            ends.extend(end - now for end in (watch.due, watch.expires) if end is not None and end > now)
            delay = min(ends if delay is None else (*ends, delay))
        self._watches = staying
        return None if delay is None else max(0.001, delay)

    def _ask(self, watch: Watch, circuit: Standing, now: float) -> None:
        watch.due, watch.expires = now + _pause(circuit), now + circuit.config.probe_timeout
        tally, places = _tally(circuit), self._places
        tally.asking = os.getpid()
        places.pop()
        probe, key, timeout = circuit.config.health_probe, circuit.key, circuit.config.probe_timeout

        def ask() -> None:
            error = None
            try:
                answer = _answer(probe, key)
                if inspect.isawaitable(answer):
                    answer = _awaited(answer, timeout)
                _check(answer)
            except BaseException as raised:  # whatever it raises is an answer, and this thread is its own
                error = raised
            tally.asking = 0
            places.append(None)
            in_time = watch.expires is not None
            watch.expires = None
            circuit = watch.open_circuit()
            if circuit is None:
                return
            watch.due = self._clock.monotonic() + _pause(circuit)
            if error is not None and in_time:
                _fail(circuit, error)
            elif error is None and in_time:
                _tally(circuit).asked += 1
                circuit.end_open_period(watch.era)

        try:
            threading.Thread(target=ask, name="scrollintel-health-probe", daemon=True).start()
        except RuntimeError as error:
            tally.asking = 0
            places.append(None)
            watch.expires = None
            _fail(circuit, error)

    # ------------------------------------------------------------------ by the timers of a clock

    def _ask_by_timer(self, watch: Watch) -> None:
        circuit = watch.open_circuit()
        if circuit is None:
            return
        try:
            answer = _answer(circuit.config.health_probe, circuit.key)
            if inspect.isawaitable(answer):
                _then(self._judged(answer, watch, circuit.config.probe_timeout))
                return
            _check(answer)
        except Exception as error:
            self._failed_by_timer(watch, error)
            return
        self._succeeded(watch)

    async def _judged(self, answer: Any, watch: Watch, timeout: float) -> None:  # Any: whatever may be awaited
        import asyncio

        task = asyncio.ensure_future(answer)
        timer = self._clock.call_later(timeout, task.cancel)
        try:
            _check(await task)
        except (Exception, asyncio.CancelledError) as error:
            self._failed_by_timer(watch, error)
        else:
            self._succeeded(watch)
        finally:
            if timer is not None:
                timer.cancel()

    def _succeeded(self, watch: Watch) -> None:
        circuit = watch.open_circuit()
        if circuit is not None:
            _tally(circuit).asked += 1
            circuit.end_open_period(watch.era)

    def _failed_by_timer(self, watch: Watch, error: BaseException) -> None:
        circuit = watch.open_circuit()
        if circuit is not None:
            _fail(circuit, error)
            self._clock.call_later(_pause(circuit), lambda: self._ask_by_timer(watch))


class UnhealthyError(Exception):
    """A health probe has answered that the service is not well."""


def _answer(probe: Any, key: str | None) -> Any:  # Any: whatever a user's function returns
    return probe() if key is None else probe(key)


def _check(answer: object) -> None:
    if answer is False:
        raise UnhealthyError("the probe says that the service is not well")


def _awaited(answer: Any, timeout: float) -> Any:  # Any: whatever may be awaited
    import asyncio

    async def bounded() -> Any:
        return await asyncio.wait_for(answer, timeout)

    return asyncio.run(bounded())


def _then(work: Any) -> None:  # Any: a coroutine
    """Run a coroutine in the loop of this thread, or in one of its own."""
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    task = loop.create_task(work)
    _TASKS.add(task)
    task.add_done_callback(_TASKS.discard)


_TASKS: set[Any] = set()
"""Questions in flight in a loop, which itself holds tasks weakly."""


def _pause(circuit: Standing) -> float:
    """Return the seconds to the next question: the interval, which grows as open periods do, spread at random."""
    config = circuit.config
    return config.probe_interval * circuit.machine.growth * (1.0 + SPREAD * (2.0 * chance() - 1.0))


def _tally(circuit: Standing) -> ProbeTally:
    tally = circuit.health
    if tally is None:
        tally = circuit.health = ProbeTally()
    return tally


def _fail(circuit: Standing, error: BaseException) -> None:
    tally = _tally(circuit)
    tally.asked += 1
    tally.failed += 1
    tally.last = FailureSummary.of(error, circuit.clock.time())
