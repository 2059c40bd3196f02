"""How long a line may be longer than what runs."""

from __future__ import annotations

from scrollintel.core.machines.patience import Patience


def test_patience_is_spent_while_somebody_waits() -> None:
    """Half a second at first; it does not go below nothing."""
    patience = Patience(10.0)
    patience.pass_time(10.3, 1, None)
    assert 0.0 < patience.left < 0.3
    patience.pass_time(12.0, 5, None)
    assert patience.left == 0.0


def test_patience_comes_back_twice_as_fast_as_it_went() -> None:
    """And no more of it than there was, however long nobody waits."""
    patience = Patience(0.0)
    patience.pass_time(1.0, 1, None)
    patience.pass_time(1.1, 0, None)
    assert abs(patience.left - 0.2) < 1e-9
    patience.pass_time(100.0, 0, None)
    assert patience.left == 0.5


def test_patience_with_a_slow_dependency_is_sixty_response_times() -> None:
    """Its queues take longer to empty."""
    patience = Patience(0.0)
    patience.pass_time(100.0, 0, 0.1)
    assert patience.left == 6.0


def test_patience_is_not_renewed_by_a_moment_without_anybody() -> None:
    """A line that stands nearly all the time uses it up, though it is empty now and then."""
    patience = Patience(0.0)
    for step in range(1, 21):
        patience.pass_time(0.1 * step, int(step % 4 != 0), None)
    assert patience.left < 0.21
