"""Circuit breaker: the storefront hangs; calls are refused at once and shoppers see kept pages; probes find it back."""

from __future__ import annotations

import asyncio
import math
import time
from statistics import median

from scrollintel import CircuitBreaker, CircuitBreakerConfig, CircuitOpenError, CircuitState

from ..client import Response
from ..figures import Unit
from ..meter import IN_TIME, Answer, quantile
from ..shop import Shop
from ..stage import Stage
from ..traffic import Kind, Request, says_no
from ..watching import Facts, view_of

ATTEMPT_TIMEOUT = 0.25
THRESHOLD = 5
PROBES_TO_CLOSE = 3
CROWD = 1000
GROUPS = 10


class Guarded:
    """Sends through the circuit; measures what refusing costs and what still reaches the network.

    Who gets no live page sees the kept one, at once when the circuit is open; orders are kept for later.
    """

    def __init__(self, stage: Stage, recovery_timeout: float) -> None:
        self.circuit = CircuitBreaker(
            CircuitBreakerConfig(
                name="storefront",
                failure_threshold=THRESHOLD,
                recovery_timeout=recovery_timeout,
                success_threshold=PROBES_TO_CLOSE,
                timeout=ATTEMPT_TIMEOUT,
                result_predicate=says_no,
            )
        )
        self.refused: list[float] = []
        self.probes = 0
        self.most_probes_at_once = 0
        self._probing = 0
        self._send = stage.protected.send
        self.shop = Shop(stage.protected, stage.database)

    async def handle(self, request: Request) -> Answer:
        """Handle one request of the stream."""
        began = time.perf_counter()
        try:
            response = await self.circuit.acall(self._sent, request)
        except CircuitOpenError:
            self.refused.append(time.perf_counter() - began)
            return self._kept(request)
        except (TimeoutError, OSError):
            return self._kept(request)
        return self._kept(request) if response.failed else Answer.FRESH

    def _kept(self, request: Request) -> Answer:
        if request.kind is Kind.ORDER:
            return self.shop.keep(request)
        self.shop.exported(request)
        return Answer.STALE

    async def crowd(self, request: Request) -> float:
        """Let a crowd of callers be refused one after the other; returns the seconds for each.

        It is the median over groups of them, because other threads and programs take their turns meanwhile.
        """
        groups = [await self._group(request, CROWD // GROUPS) for _ in range(GROUPS)]
        return median(groups)

    async def _group(self, request: Request, number: int) -> float:
        refused, began = 0, time.perf_counter()
        for _ in range(number):
            try:
                await self.circuit.acall(self._sent, request)
            except CircuitOpenError:
                refused += 1
        return (time.perf_counter() - began) / refused if refused else math.nan

    @property
    def refuses(self) -> bool:
        """Whether the circuit is open, and for long enough to refuse a crowd."""
        return (self.circuit.snapshot().retry_after or 0.0) > 0.1

    async def _sent(self, request: Request) -> Response:
        if self.circuit.state is CircuitState.CLOSED:
            return await self._send(request)
        self.probes += 1
        self._probing += 1
        self.most_probes_at_once = max(self.most_probes_at_once, self._probing)
        try:
            return await self._send(request)
        finally:
            self._probing -= 1


async def play(stage: Stage) -> None:
    """Stop the storefront, wait, let it go on; measure detection, refusal and recovery."""
    seconds = stage.seconds
    guarded = Guarded(stage, recovery_timeout=min(0.6, seconds / 13))
    stage.showing.policies = lambda: [view_of(guarded.circuit.snapshot())]
    with Facts(stage.timeline) as facts:
        stage.protected.handler = guarded.handle
        stage.phase("all is well")
        await asyncio.sleep(seconds * 0.15)
        stopped = stage.faults.stop(stage.storefront)
        for lane in (stage.protected, stage.control):
            lane.meter.most_in_flight = 0
        stage.phase("the storefront hangs; the circuit is to open")
        opened = await stage.until(lambda: guarded.circuit.state is CircuitState.OPEN, seconds * 0.4 + 1)
        stage.note(f"failure detected: circuit open {(opened - stopped) * 1000:.0f} ms after the stop")
        stage.phase("the circuit is open: calls are refused, single probes look")
        early = await _refuse_crowd(stage, guarded)
        await asyncio.sleep(max(0.0, stopped + seconds * 0.5 - time.monotonic()))
        late = await _refuse_crowd(stage, guarded)
        refused, probes = sorted(guarded.refused), guarded.probes
        resumed = stage.faults.resume(stage.storefront)
        stage.phase("the storefront runs again; probes are to close the circuit")
        closed = await stage.until(lambda: guarded.circuit.state is CircuitState.CLOSED, 5.0)
        stage.note(f"recovered: circuit closed {(closed - resumed) * 1000:.0f} ms after the repair")
        left = await guarded.shop.deliver(5.0)
        stage.phase("all is well again")
        await asyncio.sleep(max(0.3, seconds * 0.15))
        facts.settle()
    _measure_detection(stage, guarded, stopped, opened)
    _measure_refusals(stage, guarded, refused, (early, late))
    _measure_reach(stage, guarded, probes, resumed - opened)
    _measure_waits(stage, stopped, resumed)
    _measure_recovery(stage, guarded, resumed, closed)
    _measure_orders(stage, guarded.shop, left, await stage.audit())


async def _refuse_crowd(stage: Stage, guarded: Guarded) -> float:
    await stage.until(lambda: guarded.refuses, 2.0)
    return await guarded.crowd(stage.stream.next_request())


def _measure_detection(stage: Stage, guarded: Guarded, stopped: float, opened: float) -> None:
    in_line = ATTEMPT_TIMEOUT + (THRESHOLD + 3) / stage.stream.rate
    stage.measure("detect", "stop → circuit open", opened - stopped, Unit.SECONDS, at_most=in_line + 1.0)


def _measure_refusals(stage: Stage, guarded: Guarded, refused: list[float], crowds: tuple[float, float]) -> None:
    early, late = crowds
    put = stage.measure
    put("refused", "calls of the stream refused at once", len(refused), Unit.COUNT, at_least=1)
    put("reject_p50", "one refusal in the stream, p50", quantile(refused, 0.5), Unit.SECONDS, at_most=0.001)
    put("reject_p99", "one refusal in the stream, p99", quantile(refused, 0.99), Unit.SECONDS, at_most=0.01)
    put("reject_crowd", f"one refusal in a crowd of {CROWD}", early, Unit.SECONDS, at_most=0.0002)
    put("reject_drift", "the same, late in the outage ÷ early", late / early, Unit.RATIO, at_most=3)


def _measure_reach(stage: Stage, guarded: Guarded, probes: int, open_for: float) -> None:
    rounds = int(open_for / guarded.circuit.config.recovery_timeout) + 2
    put = stage.measure
    put("probes", "calls that still reached the hung service", probes, Unit.COUNT, at_most=rounds)
    put("probes_at_once", "probes in flight at once", guarded.most_probes_at_once, Unit.COUNT, at_most=1, at_least=1)


def _measure_waits(stage: Stage, stopped: float, resumed: float) -> None:
    # Calls that started just before the repair were answered by it, in time.
    protected, control = stage.lanes(stopped, resumed - IN_TIME)
    put = stage.measure
    put("in_time", f"answered within {IN_TIME:g} s with protection", protected.in_time, Unit.SHARE, at_least=0.99)
    put("in_time_control", f"answered within {IN_TIME:g} s without", control.in_time, Unit.SHARE, at_most=0.5)
    put("slowest", "longest wait with protection", protected.slowest, Unit.SECONDS, at_most=ATTEMPT_TIMEOUT + 0.5)
    put("slowest_control", "longest wait without", control.slowest, Unit.SECONDS)
    put("hanging", "calls hanging at once with protection", stage.protected.meter.most_in_flight, Unit.COUNT)
    put("hanging_control", "calls hanging at once without", stage.control.meter.most_in_flight, Unit.COUNT)


def _measure_recovery(stage: Stage, guarded: Guarded, resumed: float, closed: float) -> None:
    # One probe may still hang and one open period may just have begun.
    most = guarded.circuit.config.recovery_timeout + ATTEMPT_TIMEOUT + 2.0
    after, _ = stage.lanes(closed, time.monotonic() - 0.1)
    stage.measure("recover", "repair → circuit closed", closed - resumed, Unit.SECONDS, at_most=most)
    stage.measure("after", "answered after that", after.answered, Unit.SHARE, at_least=0.99)


def _measure_orders(stage: Stage, shop: Shop, left: int, books: dict[str, int]) -> None:
    put = stage.measure
    put("kept", "orders kept and delivered later", shop.kept_orders - left, Unit.COUNT)
    put("outbox", "kept orders not delivered", left, Unit.COUNT, at_most=0, at_least=0)
    put("twice", "orders booked twice", books["booked_twice"], Unit.COUNT, at_most=0, at_least=0)
