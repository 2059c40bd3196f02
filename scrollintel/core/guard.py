"""Protection of a block instead of a function: `with`, `async with`, and loops of attempts."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .call import DEADLINE, Call
from .drivers.blocking import begin, wait_for
from .drivers.plan import Holder, Lane, prepare
from .errors import CallTimeoutError, UnprotectedError
from .interventions import INTERVENTIONS
from .retry_scope import RETRIES, RetryScope, open_scope
from .strategies.gate import NO_RESULT, Gate, Wait

if TYPE_CHECKING:
    from .drivers.deadline import Timer


def _block() -> None:
    """Stand for the block in a call that has no function."""


def _call_of_a_block(lane: Lane) -> Call:
    if lane.policy.key is not None:
        raise UnprotectedError(
            f"{lane.name!r} takes a key from a call's arguments, and a block has none; protect a function instead"
        )
    return prepare(lane, _block, (), {}, None, lane.clock())


class Guard:
    """The gates and the time limit of a policy around one block.

    A block cannot be run again, so retries, hedging and fallbacks take no part; use `attempts` or a function for
    these. `with` notices a time limit when the block ends, `async with` interrupts the block. One guard may serve
    one block after the other.

    Raises:
        UnprotectedError: on entry, when the policy has a circuit for each key.
    """

    __slots__ = ("_call", "_cell", "_entered", "_lane", "_timer", "_token", "_whole")

    def __init__(self, lane: Lane, call: Call | None = None) -> None:
        self._lane = lane
        self._whole = call
        self._call = call
        self._entered: list[tuple[Gate, object]] = []
        self._token: Any = None
        self._cell: list[Any] = []
        self._timer: Timer | None = None

    def __enter__(self) -> Guard:
        if INTERVENTIONS.off:
            return self
        call = self._start()
        try:
            for gate in self._gates(call):
                permit = gate.enter(call)
                if isinstance(permit, Wait):
                    permit = wait_for(gate, self._lane.parts.clock, call, permit)
                self._note(call, gate, permit)
            self._set_deadline(begin(call, self._lane))
        except BaseException as error:
            self._reset_deadline()
            self._leave(error)
            raise
        return self

    async def __aenter__(self) -> Guard:
        if INTERVENTIONS.off:
            return self
        from .drivers.asynchronous import wait_for as wait_async
        from .drivers.deadline import Timer

        call = self._start()
        try:
            for gate in self._gates(call):
                permit = gate.enter(call)
                if isinstance(permit, Wait):
                    permit = await wait_async(gate, self._lane.parts.clock, call, permit)
                self._note(call, gate, permit)
            expires = begin(call, self._lane)
            self._set_deadline(expires)
            if expires is not None:
                self._timer = Timer(expires, self._lane.parts.clock)
        except BaseException as error:
            self._reset_deadline()
            self._leave(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reset_deadline()
        self._leave(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from asyncio import CancelledError

        self._reset_deadline()
        timer, call = self._timer, self._call
        if timer is not None and call is not None:
            self._timer = None
            ours = timer.ended_it()
            timer.stop()
            if ours and isinstance(error, CancelledError):
                assert call.expires is not None and call.began is not None
                late = CallTimeoutError(self._lane.name, call.expires - call.began)
                self._leave(late)
                try:
                    raise late from error
                finally:
                    del late, error  # they would tie traceback and frame in a cycle
        self._leave(error)

    def _start(self) -> Call:
        if self._entered:
            raise RuntimeError("this guard's block has not ended yet; take a guard for each block")
        call = self._call = _call_of_a_block(self._lane) if self._whole is None else self._whole
        # What an earlier round of a loop measured says nothing about this one.
        call.began = call.expires = call.permit = None
        return call

    def _gates(self, call: Call) -> list[Gate]:
        parts = self._lane.parts
        found: dict[str, Gate | None] = {
            "breaker": call.circuit, "throttle": parts.throttle, "rate_limit": parts.rate_limit,
            "bulkhead": parts.bulkhead, "limit": parts.limit,
        }  # fmt: skip
        gates = [gate for layer in self._lane.order if (gate := found.get(layer)) is not None]
        observer = self._lane.observer
        if parts.metastability is not None:
            gates = [parts.metastability, *gates]
        return gates if observer is None else [observer.calls, *gates, observer.attempts]

    def _note(self, call: Call, gate: Gate, permit: object) -> None:
        if gate is call.circuit:
            call.permit = permit
        self._entered.append((gate, permit))

    def _set_deadline(self, expires: float | None) -> None:
        if expires is not None:
            self._cell = [expires, self._lane.parts.clock]
            self._token = DEADLINE.set(self._cell)

    def _reset_deadline(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            self._cell[0] = inf
            with suppress(ValueError):  # a generator may be closed in another context than it was begun in
                DEADLINE.reset(token)

    def _leave(self, error: BaseException | None) -> None:
        """Leave every gate that was entered, innermost first, whatever one of them raises."""
        call = self._call
        failure: BaseException | None = None
        while self._entered and call is not None:
            gate, permit = self._entered.pop()
            try:
                gate.leave(call, permit, error, NO_RESULT)
            except BaseException as raised:  # kept until all gates are left
                failure = raised
        if failure is not None:
            raise failure


class Attempt:
    """One round of an `attempts` loop, to be used with `with` or `async with`.

    A round that is refused and may be tried again (`retry_rejected`) waits on entry, because what a `with`
    statement raises on entry ends the loop.
    """

    __slots__ = ("_guard", "_loop", "_scope", "_token", "number")

    def __init__(self, loop: Attempts, number: int) -> None:
        self._loop = loop
        self.number = number
        self._guard = Guard(loop.lane, loop.call)
        self._scope: RetryScope | None = None
        self._token: Any = None

    def __enter__(self) -> Attempt:
        while True:
            try:
                self._guard.__enter__()
            except Exception as error:
                self._loop.call.given_up = False
                if not self._loop.judge(error):
                    raise
            else:
                self._open()
                return self
            self._loop.pause()
            self.number = self._loop.step()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._close(error)
        self._guard.__exit__(kind, error, traceback)
        return self._loop.judge(error)

    async def __aenter__(self) -> Attempt:
        while True:
            try:
                await self._guard.__aenter__()
            except Exception as error:
                self._loop.call.given_up = False
                if not self._loop.judge(error):
                    raise
            else:
                self._open()
                return self
            await self._loop.apause()
            self.number = self._loop.step()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._close(error)
        try:
            await self._guard.__aexit__(kind, error, traceback)
        except CallTimeoutError as late:
            if self._loop.judge(late):
                return True
            raise
        return self._loop.judge(error)

    def _open(self) -> None:
        retry = self._loop.lane.parts.retry
        if retry is not None and retry.spans and retry.budget is not None and not INTERVENTIONS.off:
            self._scope = open_scope(retry.budget, self.number)
            self._token = RETRIES.set(self._scope)

    def _close(self, error: BaseException | None) -> None:
        scope, self._scope = self._scope, None
        if scope is not None:
            with suppress(ValueError):  # a generator may be closed in another context than it was begun in
                RETRIES.reset(self._token)
            self._loop.call.given_up = scope.end(error)


class Attempts:
    """`for attempt in policy.attempts(): with attempt: ...` runs a block again while the policy says so.

    Retries, gates and time limits take part; hedging and fallbacks do not. With `async for` the waits suspend.
    """

    __slots__ = ("_again", "_delay", "_number", "call", "lane")

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.call = _call_of_a_block(lane)
        self._number = 0
        self._delay = 0.0
        self._again = True
        retry = lane.parts.retry
        if retry is not None and retry.budget is not None and not retry.spans:
            retry.budget.deposit_call()

    def judge(self, error: BaseException | None) -> bool:
        """Decide after a round whether another follows; True swallows the error because one does."""
        self._again = False
        retry = self.lane.parts.retry
        if retry is None or INTERVENTIONS.off:
            return False
        if error is None:
            retry.succeeded()
        if error is None or not isinstance(error, Exception):
            return False
        self.call.attempt = self._number
        delay = retry.after_error(self.call, error)
        if delay is None:
            return False
        self._delay = 0.0 if INTERVENTIONS.immediate else delay
        self._again = True
        return True

    def __iter__(self) -> Attempts:
        return self

    def __next__(self) -> Attempt:
        if not self._again:
            raise StopIteration
        self.pause()
        return Attempt(self, self.step())

    def __aiter__(self) -> Attempts:
        return self

    async def __anext__(self) -> Attempt:
        if not self._again:
            raise StopAsyncIteration
        await self.apause()
        return Attempt(self, self.step())

    def pause(self) -> None:
        """Wait as long as the policy asks for before the next round."""
        if self._delay > 0.0:
            try:
                self.lane.parts.clock.sleep(self._delay)
            except BaseException:
                self.call.not_started()
                raise

    async def apause(self) -> None:
        """Suspend as long as the policy asks for before the next round."""
        if self._delay > 0.0:
            try:
                await self.lane.parts.clock.asleep(self._delay)
            except BaseException:
                self.call.not_started()
                raise

    def step(self) -> int:
        """Begin the next round and return its number."""
        # A loop whose body forgets `with attempt` ends after one round instead of never.
        self._again = False
        self._delay = 0.0
        self._number += 1
        self.call.attempt = self._number
        return self._number


_STACK: ContextVar[tuple[tuple[object, Guard], ...]] = ContextVar("scrollintel_blocks", default=())


def push(owner: object, guard: Guard) -> None:
    """Remember which guard a `with owner:` block of this task or thread has opened."""
    _STACK.set((*_STACK.get(), (owner, guard)))


def pop(owner: Holder | object) -> Guard | None:
    """Return the guard of the innermost open block of `owner` in this context and forget it; None without one."""
    stack = _STACK.get()
    for position in range(len(stack) - 1, -1, -1):
        if stack[position][0] is owner:
            _STACK.set(stack[:position] + stack[position + 1 :])
            return stack[position][1]
    return None
