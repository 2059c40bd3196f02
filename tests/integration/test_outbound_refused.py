"""Checks, channels and actions connect to nothing on the inside that the operator's file does not open."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scrollintel.actions.kinds import StrategyContext, strategy_kinds
from scrollintel.core.errors import ScrollIntelError
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.strategy import Observation
from scrollintel.recovery.target import Target
from scrollintel.telemetry.notify.channels import channel_for
from scrollintel.telemetry.notify.config import EmailChannel, PagerDutyChannel, SlackChannel, WebhookChannel
from scrollintel.telemetry.notify.notice import Notice, NoticeKind
from scrollintel.testing import ManualClock
from tests.servers.looks import look
from tests.unit.actions.rig import Desk

CLOSED = OutboundPolicy()
OPEN = OutboundPolicy(private=("127.0.0.0/8",))
SPELLINGS = (
    "127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0",
)  # fmt: skip
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Way = Callable[[OutboundPolicy, str, int, Path], None]


class Listener:
    """Takes connections on this machine, counts them, and ends each with an answer that is none."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.taken = 0
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.taken += 1
                connection.close()

    def count(self) -> int:
        """Return how many connections were taken; those that wait are taken first."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10.0) as own:
            own.recv(1)
        return self.taken - 1

    def close(self) -> None:
        """Take none any more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5.0)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Listen while the test runs."""
    made = Listener()
    yield made
    made.close()


def _check(kind: str, **options: str) -> Way:
    def attempt(policy: OutboundPolicy, host: str, port: int, folder: Path) -> None:
        filled: dict[str, Any] = {name: text.format(host=host, port=port) for name, text in options.items()}
        if not options:
            filled = {"host": host.strip("[]"), "port": port}
        asyncio.run(look(kind, policy=policy, timeout=1.0, **filled))

    return attempt


def _channel(made: Callable[[str, int], Any]) -> Way:
    def attempt(policy: OutboundPolicy, host: str, port: int, folder: Path) -> None:
        notice = Notice(kind=NoticeKind.TOLD, subject="s", summary="x", at=AT)
        channel_for(made(host, port), policy).deliver(notice)

    return attempt


def _action(kind: str, **options: Any) -> Way:
    def attempt(policy: OutboundPolicy, host: str, port: int, folder: Path) -> None:
        context = StrategyContext(
            Target(name="t", service="t"), folder, policy, lambda _: [], Desk(), ManualClock(),
        )  # fmt: skip
        found = strategy_kinds()[kind]
        strategy = found.build(context, found.options.from_dict(_filled(options, host, port)))
        seen = Observation(service="t", healthy=False, symptom="exited", observed_at=AT)
        plan = strategy.plan(seen)
        assert plan is not None
        strategy.act(plan)

    return attempt


def _filled(value: Any, host: str, port: int) -> Any:
    if isinstance(value, str):
        return value.replace("{HOST}", host).replace("{PORT}", str(port))
    if isinstance(value, list):
        return [_filled(item, host, port) for item in value]
    if isinstance(value, dict):
        return {name: _filled(item, host, port) for name, item in value.items()}
    return port if value is PORT else value


PORT = object()
CLUSTER = {"name": "web", "server": "http://{HOST}:{PORT}", "token": "{env:SI_TEST_TOKEN}"}
WAYS: dict[str, Way] = {
    "check http": _check("http", url="http://{host}:{port}/"),
    "check https": _check("http", url="https://{host}:{port}/"),
    "check tcp": _check("tcp"),
    "check grpc": _check("grpc"),
    "check postgresql": _check("postgresql", url="postgresql://a:b@{host}:{port}/c"),
    "check redis": _check("redis", url="redis://{host}:{port}"),
    "channel webhook": _channel(lambda host, port: WebhookChannel(url=f"http://{host}:{port}/", attempts=1)),
    "channel slack": _channel(lambda host, port: SlackChannel(url="{env:SI_TEST_URL}", attempts=1)),
    "channel pagerduty": _channel(
        lambda host, port: PagerDutyChannel(routing_key="{env:SI_TEST_TOKEN}", url=f"http://{host}:{port}", attempts=1)
    ),
    "channel email": _channel(
        lambda host, port: EmailChannel(
            server=host.strip("[]"),
            port=port,
            security="none",
            sender="a@example.com",
            recipients=["b@example.com"],
            attempts=1,
        )
    ),
    "action webhook": _action("webhook", url="http://{HOST}:{PORT}/"),
    "action clear-cache": _action("clear-cache", server="{HOST}", port=PORT, pattern="session:*"),
    "action restart-rollout": _action("restart-rollout", **CLUSTER),
    "action delete-pod": _action("delete-pod", **CLUSTER),
    "action scale": _action("scale", **CLUSTER, most=3),
    "action restart-container": _action("restart-container", container="web", url="http://{HOST}:{PORT}"),
    "action patroni": _action("patroni", members=["http://{HOST}:{PORT}"]),
    "action failover": _action(
        "failover", endpoint="db", candidates=["{HOST}:1", "{HOST}:{PORT}"], probe="http://{host}:{port}/"
    ),
}


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
    """Set what references stand for."""
    monkeypatch.setenv("SI_TEST_TOKEN", "word")
    monkeypatch.setenv("SI_TEST_URL", f"http://127.0.0.1:{listener.port}/hook")


@pytest.mark.parametrize("way", WAYS)
def test_inner_address_is_not_connected_to_however_it_is_spelled(way: str, tmp_path: Path, listener: Listener) -> None:
    """Refused when it is configured or when it is used, and in either case before anything is sent."""
    for host in SPELLINGS:
        with suppress(ScrollIntelError):
            WAYS[way](CLOSED, host, listener.port, tmp_path)
    assert listener.count() == 0


@pytest.mark.parametrize("way", WAYS)
def test_the_same_connects_where_the_file_says_so(way: str, tmp_path: Path, listener: Listener) -> None:
    """So the refusals above are refusals, and not requests that would never have been made."""
    with suppress(ScrollIntelError):
        WAYS[way](OPEN, "127.0.0.1", listener.port, tmp_path)
    assert listener.count() >= 1


def test_every_kind_that_connects_is_tried_here() -> None:
    """A new kind of check or strategy that speaks to somebody has to be added above."""
    inside = {
        "restart-process", "stop-then-start", "restart-unit", "runbook", "reset-circuit", "isolate-circuit", "degrade",
        "drain", "wait", "notify", "ask",
    }  # fmt: skip
    outside = {way.removeprefix("action ") for way in WAYS if way.startswith("action ")}
    assert {name for name, kind in strategy_kinds().items() if kind.traits.known} == inside | outside
