"""PostgreSQL: answers a query; at depth `deep` its role, its lag and that a row can be written and read back."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from ...core.config.base import Config, InvalidValue, Rule, number
from ...outbound.references import resolve
from ...recovery.symptom import Depth, FailureType
from ...recovery.target import Check, Target
from ..kinds import CheckKind, ProbeContext
from ..looking import Bad, LookingProbe
from ..options import text

ROLES = ("primary", "standby")


def _role() -> dict[str, Rule]:
    def convert(value: object) -> str:
        if value not in ROLES:
            raise InvalidValue
        return str(value)

    return {"rule": Rule(convert, "primary or standby", optional=True)}


def _table() -> dict[str, Rule]:
    def convert(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?", value):
            raise InvalidValue
        return value

    return {"rule": Rule(convert, "the name of a table, perhaps with its schema", optional=True)}


@dataclass(frozen=True, slots=True)
class PostgresOptions(Config):
    """What a PostgreSQL check takes.

    Arguments:
        url: `postgresql://USER@HOST:PORT/DATABASE`; `{env:NAME}` and `{file:PATH}` stand for secrets in it.
        role: What it has to be, primary or standby; None does not look.
        max_lag: Seconds that a standby may be behind, or None.
        canary: Table with the columns `id` (bigint, primary key) and `token` (text) in which a row is written and read
            back, or None.
    """

    url: str = field(metadata=text())
    role: str | None = field(default=None, metadata=_role())
    max_lag: float | None = field(default=None, metadata=number(unit="seconds", optional=True))
    canary: str | None = field(default=None, metadata=_table())


class PostgresProbe(LookingProbe):
    """Connects anew for each look: a kept connection outlives a postmaster that takes no new ones."""

    def __init__(self, target: Target, check: Check, options: PostgresOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._options = options
        self._policy = context.outbound

    async def find(self) -> str:
        """Connect and ask."""
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        options: dict[str, Any] = dict(conninfo_to_dict(resolve(self._options.url)))  # Any: as libpq names them
        host, port = str(options.get("host") or "localhost"), int(options.get("port") or 5432)
        # libpq prefers it to the host, so one that the address names would pass by what is checked here.
        options.pop("hostaddr", None)
        if not host.startswith("/"):
            options["hostaddr"] = (await self._policy.permit_async(host, port)).address
        else:
            self._policy.permit_socket(host)
        options["connect_timeout"] = max(2, round(self.check.timeout))
        try:
            connection = await psycopg.AsyncConnection.connect(autocommit=True, **options)
        except psycopg.OperationalError as error:
            raise Bad(*_refusal(error, self.wrong)) from None
        async with connection:
            try:
                await self._ask(connection)
            except psycopg.Error as error:
                raise Bad(self.wrong, f"{type(error).__name__} (SQLSTATE {error.sqlstate or 'unknown'})") from None
        return "answers"

    async def _ask(self, connection: Any) -> None:  # Any: a connection of psycopg
        options = self._options
        row = await (await connection.execute("SELECT pg_is_in_recovery()")).fetchone()
        role = "standby" if row[0] else "primary"
        if options.role is not None and role != options.role:
            raise Bad(self.wrong, f"is a {role}, not a {options.role}")
        if options.max_lag is not None and role == "standby":
            lag = await (
                await connection.execute("SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())")
            ).fetchone()
            if lag[0] is not None and float(lag[0]) > options.max_lag:
                raise Bad(self.wrong, f"is {float(lag[0]):.1f} s behind")
        if options.canary is not None and self.check.depth is Depth.DEEP:
            await self._write(connection, options.canary)

    async def _write(self, connection: Any, table: str) -> None:  # Any: a connection of psycopg
        from psycopg import sql

        name, token = sql.Identifier(*table.split(".")), secrets.token_hex(8)
        await connection.execute(
            sql.SQL(
                "INSERT INTO {} (id, token) VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET token = excluded.token"
            ).format(name),
            (token,),
        )
        row = await (await connection.execute(sql.SQL("SELECT token FROM {} WHERE id = 1").format(name))).fetchone()
        if row != (token,):
            raise Bad(FailureType.INCORRECT, "a row that was written is not what is read back")


def _refusal(error: Any, wrong: str) -> tuple[str, str]:  # Any: an error of psycopg
    """Return what a failed connection stands for; its own text may name users and is left out."""
    said = str(error)
    if "starting up" in said or "recovery" in said or "shutting down" in said:
        return FailureType.NOT_READY, "is starting, recovering or shutting down"
    if "refused" in said or "No such file" in said or "closed the connection" in said or "reset" in said:
        return FailureType.UNREACHABLE, "refuses connections"
    return wrong, "does not let us in"


KIND = CheckKind("postgresql", PostgresOptions, Depth.READY, "Connects to PostgreSQL and asks.", PostgresProbe)
