"""Redis and what speaks its protocol: PING, role, loading; at depth `deep` a key that is written and read back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ...core.config.base import Config, name
from ...outbound.connecting import reachable
from ...outbound.references import resolve
from ...recovery.symptom import Depth, FailureType
from ...recovery.target import Check, Target
from ..kinds import CheckKind, ProbeContext
from ..looking import Bad, LookingProbe
from ..options import optional_text, text

KEY_LIFETIME = 60
"""Seconds that the written key lives."""


@dataclass(frozen=True, slots=True)
class RedisOptions(Config):
    """What a Redis check takes.

    Arguments:
        url: `redis://HOST:PORT/NUMBER`, or `rediss://` with TLS; `{env:NAME}` and `{file:PATH}` stand for secrets.
        role: What it has to be, such as `master` or `slave`; None does not look.
        key: Key that is written at depth `deep`; default scrollintel:check.
        ca_file: Certificates to trust with `rediss://` in place of the system's, or None.
    """

    url: str = field(metadata=text())
    role: str | None = field(default=None, metadata=name(optional=True))
    key: str = field(default="scrollintel:check", metadata=text(maximum=200))
    ca_file: str | None = field(default=None, metadata=optional_text())


class RedisProbe(LookingProbe):
    """Connects anew for each look."""

    def __init__(self, target: Target, check: Check, options: RedisOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._options = options
        self._policy = context.outbound

    async def find(self) -> str:
        """Ask."""
        from redis.asyncio import ConnectionPool, Redis
        from redis.exceptions import BusyLoadingError, RedisError

        url = resolve(self._options.url)
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or parts.query:
            raise Bad(self.wrong, "the address has to be redis:// or rediss:// without a query")
        pinned = await self._policy.permit_async(parts.hostname or "localhost", parts.port or 6379)
        address = await reachable(pinned)
        trusted = {} if self._options.ca_file is None else {"ssl_ca_certs": self._options.ca_file}
        pool = ConnectionPool.from_url(url, socket_timeout=self.check.timeout, retry=None, **trusted)
        if parts.scheme == "rediss":
            pool.connection_class = _named(pinned.server_name)
        # What the address says wins over arguments of from_url, so the checked address is put in afterwards.
        pool.connection_kwargs["host"] = address
        client = Redis.from_pool(pool)
        try:
            await self._ask(client)
        except BusyLoadingError:
            raise Bad(FailureType.NOT_READY, "is loading its data") from None
        except RedisError as error:
            if isinstance(error.__cause__, OSError) or type(error).__name__ == "ConnectionError":
                raise Bad(FailureType.UNREACHABLE, "refuses or ends connections") from None
            if type(error).__name__ == "TimeoutError":
                raise TimeoutError from None
            raise Bad(self.wrong, type(error).__name__) from None
        finally:
            await client.aclose()
        return "answers"

    async def _ask(self, client: Any) -> None:  # Any: a client of redis-py, whose types are unions
        await client.ping()
        if self._options.role is not None:
            role = (await client.info("replication")).get("role")
            if role != self._options.role:
                raise Bad(self.wrong, f"is a {role}, not a {self._options.role}")
        if self.check.depth is Depth.DEEP:
            token = secrets.token_hex(8)
            await client.set(self._options.key, token, ex=KEY_LIFETIME)
            if await client.get(self._options.key) != token.encode():
                raise Bad(FailureType.INCORRECT, "a key that was written is not what is read back")


def _named(name: str) -> type[Any]:  # Any: a class of redis-py, which is loaded when it is used
    """Return a connection whose certificate has to be for a name, and not for the address that is connected to."""
    from redis.asyncio import SSLConnection

    class Named(SSLConnection):
        def _connection_arguments(self) -> Mapping[str, Any]:  # Any: arguments of open_connection
            return {**super()._connection_arguments(), "server_hostname": name}

    return Named


KIND = CheckKind("redis", RedisOptions, Depth.READY, "Asks Redis, or what speaks its protocol.", RedisProbe)
