"""What is known of a request reaches nested calls, tasks and threads that are given the context, and nobody else."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from scrollintel import Criticality, current_request, request_context


def test_request_is_critical_unless_somebody_says_otherwise() -> None:
    """The default class is CRITICAL, and classes rank from the most critical one."""
    assert current_request().criticality is Criticality.CRITICAL
    assert [c.rank for c in Criticality] == [0, 1, 2, 3]
    assert [c.value for c in sorted(Criticality, key=lambda c: c.rank)] == [
        "critical_plus", "critical", "sheddable_plus", "sheddable",
    ]  # fmt: skip


def test_request_context_holds_within_its_block() -> None:
    """A block says, a nested one overrides or keeps, and after an error all is as before."""
    with request_context(criticality="sheddable") as outer:
        assert current_request() is outer
        with request_context():
            assert current_request().criticality is Criticality.SHEDDABLE
        with pytest.raises(KeyError), request_context(criticality=Criticality.CRITICAL_PLUS):
            assert current_request().criticality is Criticality.CRITICAL_PLUS
            raise KeyError
        assert current_request() is outer
    assert current_request().criticality is Criticality.CRITICAL


def test_request_context_refuses_an_unknown_class() -> None:
    """A typing mistake is told, and nothing changes."""
    allowed = "one of 'critical_plus', 'critical', 'sheddable_plus', 'sheddable'"
    with (
        pytest.raises(ValueError, match=f"criticality='urgent': must be {allowed}"),
        request_context(criticality="urgent"),
    ):
        raise AssertionError
    assert current_request().criticality is Criticality.CRITICAL


def test_request_context_takes_any_name_of_a_user() -> None:
    """Ids are numbers in one place, text in another and bytes in a header; what is none of these is refused."""
    wrong: Any = ["7"]
    with request_context(user="7") as text, request_context(user=7) as number, request_context(user=b"7") as header:
        assert text.fairness == number.fairness == header.fairness
    with (
        pytest.raises(ValueError, match="user is a list: must be text, bytes or a whole number"),
        request_context(user=wrong),
    ):
        raise AssertionError


def test_request_context_reaches_tasks_and_not_other_threads() -> None:
    """Tasks of the block see it; a thread does when it is given a copy of the context."""
    seen: list[Criticality] = []

    def look() -> None:
        seen.append(current_request().criticality)

    async def main() -> None:
        async def task() -> None:
            look()

        with request_context(criticality=Criticality.SHEDDABLE_PLUS):
            await asyncio.create_task(task())
            alone = threading.Thread(target=look)
            given = threading.Thread(target=contextvars.copy_context().run, args=(look,))
            for thread in (alone, given):
                thread.start()
                thread.join()

    asyncio.run(main())
    assert seen == [Criticality.SHEDDABLE_PLUS, Criticality.CRITICAL, Criticality.SHEDDABLE_PLUS]
