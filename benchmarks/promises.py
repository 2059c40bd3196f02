"""Before anything is timed: does the candidate do what the case is about?"""

from __future__ import annotations

from collections.abc import Sequence

from .candidate import Candidate
from .operations import STAND_IN, THRESHOLD, TransientError
from .timing import Colour, Run

_TRIES = 4 * THRESHOLD


class BrokenPromiseError(Exception):
    """The candidate does not protect; its speed would mean nothing."""


class Counting:
    """An operation that always fails and counts how often it was really called."""

    def __init__(self) -> None:
        self.calls = 0

    def plain(self, x: int) -> int:
        self.calls += 1
        raise TransientError

    async def coroutine(self, x: int) -> int:
        self.calls += 1
        raise TransientError


def opens(run: Run, candidate: Candidate, colour: Colour, coroutine: bool) -> str:
    """Say after how many failures the circuit opened; raises when it never does."""
    counting = Counting()

    async def operation(x: int) -> int:
        return await counting.coroutine(x)

    def plain(x: int) -> int:
        return counting.plain(x)

    call = colour.wrap(run, lambda: candidate.build(operation if coroutine else plain))
    for _ in range(_TRIES):
        try:
            colour.once(run, call)
        except Exception:
            continue
    if counting.calls >= _TRIES:
        raise BrokenPromiseError("its circuit never opens")
    return f"opens after {counting.calls}"


def tries_again(run: Run, candidate: Candidate, colour: Colour, coroutine: bool) -> str:
    """Say how many attempts a failing call gets; raises when it gets only one."""
    counting = Counting()

    async def operation(x: int) -> int:
        return await counting.coroutine(x)

    def plain(x: int) -> int:
        return counting.plain(x)

    try:
        colour.once(run, colour.wrap(run, lambda: candidate.build(operation if coroutine else plain)))
    except Exception:
        pass
    if counting.calls < 2:
        raise BrokenPromiseError("it never tries again")
    return f"{counting.calls} attempts"


def does_all(run: Run, candidate: Candidate, colour: Colour) -> str:
    """Say attempts, failures until the circuit opens, and that the fallback answers; raises when one is missing."""
    counting = Counting()

    async def operation(x: int) -> int:
        return await counting.coroutine(x)

    async def fallback(x: int) -> int:
        return STAND_IN

    call = colour.wrap(run, lambda: candidate.build(operation, fallback))
    answer = colour.once(run, call)
    attempts = counting.calls
    for _ in range(_TRIES):
        answer = colour.once(run, call)
    if attempts < 2:
        raise BrokenPromiseError("it never tries again")
    if counting.calls >= _TRIES:
        raise BrokenPromiseError("its circuit never opens")
    if answer not in (STAND_IN, None):
        raise BrokenPromiseError(f"its fallback answers {answer!r}")
    return f"{attempts} attempts, opens after {counting.calls}"


def opens_by_key(candidate: Candidate) -> str:
    """Say after how many failures of one key its circuit opened; raises when it never does, or opens for another."""
    counting = Counting()

    def operation(key: str, x: int) -> int:
        return counting.plain(x) if key == "sick" else x

    call = candidate.build(operation, 2)
    for _ in range(_TRIES):
        try:
            call("sick", 1)
        except Exception:
            continue
    if counting.calls >= _TRIES:
        raise BrokenPromiseError("its circuit never opens")
    if call("well", 1) != 1:
        raise BrokenPromiseError("a sick key takes the others with it")
    return f"opens after {counting.calls}, alone"


def takes_out(candidate: Candidate, hosts: Sequence[str]) -> str:
    """Say after how many failures a sick host was taken out; raises when it never is."""
    counting = Counting()

    def operation(host: str, x: int) -> int:
        return counting.plain(x) if host == hosts[0] else x

    call = candidate.build(operation, hosts)
    tries = _TRIES * len(hosts)
    answers = 0
    for _ in range(tries):
        try:
            answers += call(1)
        except Exception:
            continue
    if counting.calls >= _TRIES or answers < tries - counting.calls:
        raise BrokenPromiseError("it takes no sick host out")
    return f"takes a host out after {counting.calls}"
