"""PostgreSQL: one control plane of many writes, on the very connection that holds the lock."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event, text
from sqlalchemy.engine import ExceptionContext

from ..core.errors import ConfigError, Violation

CONNECT_TIMEOUT = 3
"""Seconds to wait for a connection; whole ones, at least 2, as libpq wants them."""
STATEMENT_TIMEOUT = 10.0
"""Seconds for one statement of the writer or a reader."""

_WATCH = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""How the server's end of the writer's session notices a host that vanished without a word: after about ten seconds,
where its system's defaults take hours, in which the leader's lock would stay taken. Without meaning on Unix sockets."""

LEADER, MIGRATION = 1_396_920_393, 1_396_920_394
"""First halves of the advisory locks; the second half stands for the schema, so that two schemas do not meet."""


def _engine(
    url: URL, *, name: str, settings: dict[str, str], defaults: dict[str, str] | None = None, **pool: Any
) -> Engine:  # Any: options of the pool
    # The last one counts: `options` of the address replace the defaults, and are replaced by the settings.
    options = [f"-c {key}={value}" for key, value in (defaults or {}).items()]
    options += [str(url.query["options"])] if "options" in url.query else []
    options += [f"-c {key}={value}" for key, value in settings.items()]
    arguments = {
        "application_name": name,
        "connect_timeout": CONNECT_TIMEOUT,
        # A server that vanished without a word is noticed after about ten seconds.
        "keepalives": 1,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": " ".join(options),
    }
    try:
        engine = create_engine(url, connect_args=arguments, hide_parameters=True, **pool)
    except ImportError:
        problem = Violation("url", "(not shown)", "SQLite, or scrollintel[postgres] must be installed")
        raise ConfigError("database", [problem]) from None
    event.listen(engine, "handle_error", _leave_values_out)
    return engine


def _leave_values_out(context: ExceptionContext) -> None:
    """Keep the first line of an error: those after it show whole rows, and errors end up in logs."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\n")[0], *error.args[1:])


def writer_engine(url: URL, *, statement_timeout: float = STATEMENT_TIMEOUT) -> Engine:
    """Return an engine whose every connection is new, for the writer and for migrations.

    The server soon notices when the writer's host has vanished; `options` of the address may say otherwise.
    """
    settings = {
        "timezone": "UTC",
        "statement_timeout": f"{statement_timeout * 1000:.0f}",
        "lock_timeout": f"{statement_timeout * 500:.0f}",
        "idle_in_transaction_session_timeout": "30000",
    }
    return _engine(url, name="scrollintel writer", settings=settings, defaults=_WATCH, poolclass=NullPool)


def reader_engine(url: URL, *, size: int, patience: float, statement_timeout: float = STATEMENT_TIMEOUT) -> Engine:
    """Return an engine with up to `size` connections that cannot write; waits `patience` seconds for a free one."""
    settings = {
        "timezone": "UTC",
        "statement_timeout": f"{statement_timeout * 1000:.0f}",
        "idle_in_transaction_session_timeout": "30000",
        "default_transaction_read_only": "on",
    }
    return _engine(
        url,
        name="scrollintel reader",
        settings=settings,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=patience,
        pool_pre_ping=True,
        pool_recycle=300,
    )


def try_lock(connection: Connection, lock: int) -> bool:
    """Take an advisory lock for as long as the session lives, at once or not at all."""
    taken = connection.scalar(text("SELECT pg_try_advisory_lock(:lock, hashtext(current_schema()))"), {"lock": lock})
    return bool(taken)


def wait_for_lock(connection: Connection, lock: int) -> None:
    """Take an advisory lock until the end of the transaction; waits as long as statements may take."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock, hashtext(current_schema()))"), {"lock": lock})


def insist_on_durable_commits(connection: Connection) -> None:
    """Turn `synchronous_commit` on where it is off, because an acknowledged change must be on disk."""
    if connection.scalar(text("SHOW synchronous_commit")) == "off":
        connection.execute(text("SET SESSION synchronous_commit = on"))
