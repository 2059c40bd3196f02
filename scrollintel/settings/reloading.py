"""Settings read anew while the control plane runs: taken as a whole, or not at all."""

from __future__ import annotations

from ..core.errors import ConfigError, Violation
from .findings import SUBJECT
from .loading import load
from .settings import Settings

RESTART_TABLES = (
    "server",
    "database",
    "data",
    "access",
    "keys",
    "audit",
    "replicas",
    "logging",
    "opentelemetry",
    "retention",
    "policies",
)
"""Tables that are read at the start only; circuit breakers count as policies."""
RESTART_KEYS = ("recovery.engine_url", "recovery.heartbeat_socket")
"""Keys of other tables that are read at the start only."""


def reload(current: Settings) -> Settings:
    """Return the settings as their sources say now; `current` is left as it is.

    A file that was there must still be there: a missing one would otherwise mean that nothing is watched any more.

    Raises:
        ConfigError: with every mistake; nothing of what was read may be used then.
    """
    origin = current.origin
    path = current.file if current.file is not None else origin.config_path
    if path is not None and not path.is_file():
        raise ConfigError(SUBJECT, [Violation("file", str(path), "the settings file that was read at the start")])
    return load(path, origin.environment, origin.overrides, directory=origin.directory)


def needs_restart(current: Settings, new: Settings) -> tuple[str, ...]:
    """Return the tables and keys that differ and are read at the start only, so that they wait for the next one."""
    return tuple(name for name in (*RESTART_TABLES, *RESTART_KEYS) if _value(current, name) != _value(new, name))


def _value(settings: Settings, name: str) -> object:
    if name == "retention":
        return dict(settings.retention)
    if name == "policies":  # on which line one stands does not matter
        return [(item.policy, item.service) for item in settings.declared.policies]
    table, _, key = name.partition(".")
    return getattr(getattr(settings, table), key) if key else getattr(settings, table)
