"""What waits for the database: order, room, and what counts as lost."""

from __future__ import annotations

from scrollintel.service.backlog import Backlog


def test_backlog_that_is_full_drops_the_oldest_and_counts_it() -> None:
    """The newest items are those that remain."""
    backlog: Backlog[int] = Backlog(3)
    for number in range(5):
        backlog.add(number)
    assert backlog.dropped == 2
    assert backlog.take() == [2, 3, 4]
    assert len(backlog) == 0


def test_items_that_come_while_others_are_written_are_kept() -> None:
    """A full backlog that is being written has room for as many again, and none of both is lost."""
    backlog: Backlog[int] = Backlog(3)
    for number in range(3):
        backlog.add(number)
    written = backlog.take()
    for number in range(3, 6):
        backlog.add(number)
    assert (written, backlog.take(), backlog.dropped) == ([0, 1, 2], [3, 4, 5], 0)


def test_items_put_back_stand_before_newer_ones_as_far_as_there_is_room() -> None:
    """After a failed write the order is as before, and the oldest go first when it is too much."""
    backlog: Backlog[int] = Backlog(4)
    for number in range(3):
        backlog.add(number)
    written = backlog.take()
    backlog.add(3)
    backlog.put_back(written)
    assert backlog.dropped == 0
    written = backlog.take()
    for number in range(4, 7):
        backlog.add(number)
    backlog.put_back(written)
    assert (backlog.take(), backlog.dropped) == ([3, 4, 5, 6], 3)


def test_items_put_back_into_a_full_backlog_are_all_counted_as_dropped() -> None:
    """Nothing of what came later gives way to what is older."""
    backlog: Backlog[int] = Backlog(2)
    backlog.add(0)
    written = backlog.take()
    backlog.add(1)
    backlog.add(2)
    backlog.put_back(written)
    assert (backlog.take(), backlog.dropped) == ([1, 2], 1)
