"""Removing the keys of a Redis-compatible cache that fit a pattern: counted first, in batches, bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..core.config.base import Config, InvalidValue, Rule, boolean, integer, number
from ..core.errors import PlanRefusedError, Violation
from ..outbound.options import host, line
from ..outbound.references import resolve, secret
from ..recovery.strategy import Idempotency, Observation, Plan, Step, Traits
from .kinds import StrategyContext, StrategyKind
from .remote import RemoteError, RemoteStrategy
from .resp import RedisConnection

PREFIX = 3
"""Literal characters that a pattern begins with at least."""
BATCH = 500
"""Keys that one SCAN looks at and one UNLINK removes, about."""


def _pattern() -> dict[str, Rule]:
    def convert(value: object) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= 500 or not value.isprintable():
            raise InvalidValue
        if len(re.split(r"[*?\[\\]", value)[0].strip()) < PREFIX:
            raise InvalidValue
        return value

    words = f"a pattern that begins with at least {PREFIX} literal characters, such as orders:*"
    return {"rule": Rule(convert, words, schema={"type": "string", "maxLength": 500})}


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions(Config):
    """Which keys of which server are removed.

    Arguments:
        server: Host name or address.
        port: Default 6379.
        database: Number of the database, 0 to 1,000; default 0.
        pattern: As KEYS takes it; it begins with at least three literal characters.
        user: Name to log in with, or None.
        password: Reference to the password, or None.
        tls: Whether TLS is spoken; default False.
        ca_file: Certificates to trust, or None for the system's.
        most: Keys that may be removed, 1 to 10,000,000; with more nothing is done. Default 100,000.
        time_limit: Seconds for counting and for removing, above 0 and at most 600; default 30.
        timeout: Seconds for one command, above 0 and at most 60; default 3.
        destructive: Whether the keys cannot be had from elsewhere, so that a person has to agree; default True.

    Raises:
        ConfigError: with every violation.
    """

    server: str = field(metadata=host())
    port: int = field(default=6379, metadata=integer(minimum=1, maximum=65535))
    database: int = field(default=0, metadata=integer(maximum=1000))
    pattern: str = field(metadata=_pattern())
    user: str | None = field(default=None, metadata=line(maximum=200, optional=True))
    password: str | None = field(default=None, metadata=secret(optional=True))
    tls: bool = field(default=False, metadata=boolean())
    ca_file: str | None = field(default=None, metadata=line(optional=True))
    most: int = field(default=100_000, metadata=integer(minimum=1, maximum=10_000_000, unit="keys"))
    time_limit: float = field(default=30.0, metadata=number(above=True, maximum=600.0, unit="seconds"))
    timeout: float = field(default=3.0, metadata=number(above=True, maximum=60.0, unit="seconds"))
    destructive: bool = field(default=True, metadata=boolean())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse a user without a password."""
        if not {"user", "password"} & broken and self.user is not None and self.password is None:
            yield Violation("password", None, "given when there is a user")


class ClearCache(RemoteStrategy):
    """Counts the keys, and removes them by SCAN and UNLINK, which hold up nobody else for long."""

    def __init__(self, context: StrategyContext, options: CacheOptions) -> None:
        super().__init__("clear-cache", context, replace(TRAITS, destructive=options.destructive))
        self._options = options

    def plan(self, observation: Observation) -> Plan | None:
        """Say how many keys are removed; None when there are none.

        Raises:
            PlanRefusedError: when there are more than allowed.
        """
        options = self._options
        with self._connection() as server:
            count = sum(len(batch) for batch in self._batches(server))
        if count > options.most:
            raise PlanRefusedError(f"more than {options.most} keys fit {options.pattern}")
        if not count:
            return None
        action = f"remove about {count} keys that fit {options.pattern} from database {options.database}"
        return self.planned(observation, action, count=count)

    def act(self, plan: Plan) -> None:
        """Remove them; doing it twice removes what has come since."""
        removed = 0
        with self._connection() as server:
            for batch in self._batches(server):
                allowed = batch[: self._options.most - removed]
                if allowed:
                    server.ask("UNLINK", *allowed)
                removed += len(allowed)
                if len(allowed) < len(batch):
                    raise self.failed(Step.ACT, f"more than {self._options.most} keys fit; the rest was left alone")

    def _connection(self) -> _LoggedIn:
        return _LoggedIn(self._options, self.context)

    def _batches(self, server: RedisConnection) -> Iterator[list[bytes]]:
        """Yield the keys until all were seen, or one batch more than allowed was."""
        options, clock = self._options, self.context.clock
        ends = clock.monotonic() + options.time_limit
        cursor: bytes = b"0"
        seen = 0
        while True:
            reply = server.ask("SCAN", cursor, "MATCH", options.pattern, "COUNT", BATCH)
            if not isinstance(reply, list) or len(reply) != 2 or not isinstance(reply[0], bytes):
                raise RemoteError("SCAN was answered with something else")
            cursor, found = reply[0], reply[1]
            batch = [key for key in found if isinstance(key, bytes)] if isinstance(found, list) else []
            seen += len(batch)
            if batch:
                yield batch
            if cursor == b"0" or seen > options.most:
                return
            if clock.monotonic() >= ends:
                raise RemoteError(f"{options.time_limit:g} s were not enough to see all keys")


class _LoggedIn(RedisConnection):
    """A connection that is logged in and has its database."""

    def __init__(self, options: CacheOptions, context: StrategyContext) -> None:
        super().__init__(
            options.server,
            options.port,
            context.outbound,
            timeout=options.timeout,
            tls=options.tls,
            ca_file=options.ca_file,
        )
        self._options = options

    def __enter__(self) -> _LoggedIn:
        super().__enter__()
        options = self._options
        try:
            if options.password is not None:
                self.ask("AUTH", *([] if options.user is None else [options.user]), resolve(options.password))
            if options.database:
                self.ask("SELECT", options.database)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self


TRAITS = Traits(destructive=True, idempotency=Idempotency.NATURAL)
KIND = StrategyKind("clear-cache", CacheOptions, TRAITS, "Removes the keys of a cache that fit a pattern.", ClearCache)
