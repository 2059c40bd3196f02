"""Callers follow an endpoint: by their own choice, by orders of the control plane, and after a restart without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrollintel import ConfigError, NotFoundError, endpoint
from scrollintel.core.endpoints import Endpoints
from scrollintel.replica.protocol import Change, Desired, EndpointOrder, ProtocolError
from scrollintel.replica.reading import read_change, read_desired

from .rig import Process

SECOND = EndpointOrder("db", "db-2:5432", "db-1 is down", 7)


def test_endpoint_without_an_address_says_so() -> None:
    """Nobody connects to an address that nobody has given."""
    with pytest.raises(NotFoundError, match="db"):
        _ = Endpoints().get("db").address


def test_endpoint_of_a_name_is_the_same_everywhere_and_keeps_its_address() -> None:
    """A default given twice does not undo what was chosen in between."""
    known = endpoint("test-endpoint-same", "db-1:5432")
    known.use("db-3:5432")
    assert endpoint("test-endpoint-same", "db-1:5432") is known
    assert known.address == "db-3:5432"


@pytest.mark.parametrize("address", ["", "a b", "a\r\nb", "a\x00", "x" * 501, 7])
def test_endpoint_with_an_unusable_address_is_refused(address: object) -> None:
    """Blanks and control characters are refused, and the former address stays."""
    known = Endpoints().get("db", "db-1:5432")
    with pytest.raises(ConfigError, match="address"):
        known.use(address)  # type: ignore[arg-type]  # a wrong value on purpose
    assert known.address == "db-1:5432"


def test_order_stands_above_the_own_choice_until_it_ends() -> None:
    """The control plane's order holds; what the process chose meanwhile holds after it."""
    process = Process(None)
    db = process.manager.registry.endpoints.get("db", "db-1:5432")
    process.replica.apply(Change(7, "endpoint", "db", endpoint=SECOND))
    db.use("db-9:5432")
    assert db.address == "db-2:5432"
    process.replica.apply(Change(8, "endpoint_released", "db"))
    assert db.address == "db-9:5432"


def test_older_order_that_comes_late_changes_nothing() -> None:
    """An order with a lower number than the one that stands is stale."""
    process = Process(None)
    process.replica.apply(Change(7, "endpoint", "db", endpoint=SECOND))
    process.replica.apply(Change(3, "endpoint", "db", endpoint=EndpointOrder("db", "db-1:5432", "late", 3)))
    process.replica.apply(Change(3, "endpoint_released", "db"))
    assert process.manager.registry.endpoints.get("db").address == "db-2:5432"


def test_everything_that_is_wanted_counts_whatever_its_number() -> None:
    """After the control plane was restored from a backup its state holds, though its numbers are lower."""
    process = Process(None)
    process.replica.apply(Change(7, "endpoint", "db", endpoint=SECOND))
    db = process.manager.registry.endpoints.get("db")
    process.replica.apply_desired(Desired(endpoints={"db": EndpointOrder("db", "db-1:5432", "restored", 2)}))
    assert db.address == "db-1:5432"
    process.replica.apply_desired(Desired())
    with pytest.raises(NotFoundError):
        _ = db.address


def test_restart_without_the_control_plane_goes_on_at_the_last_address(tmp_path: Path) -> None:
    """The order is kept on disk beside the others."""
    first = Process(tmp_path)
    first.replica.apply(Change(7, "endpoint", "db", endpoint=SECOND))
    assert first.save()
    first.end()
    second = Process(tmp_path)
    assert second.manager.registry.endpoints.get("db", "db-1:5432").address == "db-2:5432"
    assert second.replica.endpoints == {"db": SECOND}
    second.end()


def test_messages_about_endpoints_are_read_without_trust() -> None:
    """An address that is none refuses the message."""
    item = {"address": "db-2:5432", "reason": "db-1 is down", "sequence": 7}
    assert read_desired({"endpoints": {"db": item}}).endpoints == {"db": SECOND}
    assert read_change({**item, "kind": "endpoint", "name": "db"}) == Change(
        7, "endpoint", "db", reason="db-1 is down", endpoint=SECOND
    )
    assert read_change({"sequence": 8, "kind": "endpoint_released", "name": "db"}) == Change(
        8, "endpoint_released", "db"
    )
    with pytest.raises(ProtocolError):
        read_change({**item, "kind": "endpoint", "name": "db", "address": "a\r\nb"})
