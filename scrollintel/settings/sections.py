"""The settings, one class for each table of `scrollintel.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from pathlib import Path

from ..core.config.base import Config, boolean, choice, integer, number
from ..core.errors import Violation
from ..security.loopback import is_this_machine
from ..telemetry.families import MAX_CIRCUITS
from . import rules
from .access_section import AccessSettings
from .alert_section import AlertSettings
from .recovery_sections import OutboundSettings, RecoverySettings
from .rules import parse_list, parse_number, parse_switch, parse_whole, setting


@dataclass(frozen=True, slots=True)
class ServerSettings(Config):
    """Where the control plane listens.

    Arguments:
        host: Address to listen on; default 127.0.0.1. Another than this machine's needs access control.
        port: TCP port, 0 for any free one; default 8400.
        tls_certificate: Certificate chain in PEM form; with `tls_key` the server speaks https.
        tls_key: Private key of the certificate in PEM form.
        trusted_proxies: Addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
        allowed_hosts: Host names that requests may be addressed to, besides names of this machine, `host` and the
            address that a request has reached; none by default. It keeps web pages of others from talking to the
            server under a name of theirs.
        shutdown_timeout: Seconds that requests may take to end when the server stops; 0 to 300, default 3.
    """

    _: KW_ONLY
    host: str = field(default="127.0.0.1", metadata=setting(rules.host()))
    port: int = field(default=8400, metadata=setting(integer(maximum=65535), parse=parse_whole))
    tls_certificate: Path | None = field(default=None, metadata=setting(rules.path(), path=True))
    tls_key: Path | None = field(default=None, metadata=setting(rules.path(), path=True))
    trusted_proxies: tuple[str, ...] = field(default=(), metadata=setting(rules.networks(), parse=parse_list))
    allowed_hosts: tuple[str, ...] = field(default=(), metadata=setting(rules.hosts(), parse=parse_list))
    shutdown_timeout: float = field(
        default=3.0, metadata=setting(number(maximum=300.0, unit="seconds"), parse=parse_number)
    )

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that certificate and key come together."""
        for one, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
            if not broken & {one, other} and getattr(self, one) is None and getattr(self, other) is not None:
                yield Violation(one, None, f"given, because {other} is")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_this_machine(self.host)

    @property
    def url(self) -> str:
        """The address at which this machine reaches the server."""
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 # nosec B104 - read, not bound
        scheme = "https" if self.tls_certificate is not None else "http"
        return f"{scheme}://{f'[{name}]' if ':' in name else name}:{self.port}"


@dataclass(frozen=True, slots=True)
class DatabaseSettings(Config):
    """Where state, history and audit are kept.

    Arguments:
        url: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`; None (default) is the file `control.db` in
            the data directory.
    """

    _: KW_ONLY
    url: str | None = field(default=None, metadata=setting(rules.database_url(), secret=True))


@dataclass(frozen=True, slots=True)
class DataSettings(Config):
    """Where files are kept.

    Arguments:
        directory: Folder for the database, keys and the admin socket; None (default) is `scrollintel` in the user's
            data folder (`$XDG_DATA_HOME`, or `~/.local/share`).
    """

    _: KW_ONLY
    directory: Path | None = field(default=None, metadata=setting(rules.path(), path=True))


class KeyProvider(StrEnum):
    """Where the key comes from that wraps all others."""

    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class KeySettings(Config):
    """Where the key comes from that wraps all others.

    Arguments:
        provider: `file` (default; created at the first start), `environment` (`SCROLLINTEL_MASTER_KEY`) or `command`.
        path: Folder of the key files; None (default) is `keys` in the data directory.
        command: Program, by its full path, and arguments; it is run without a shell and prints the keys.
    """

    _: KW_ONLY
    provider: KeyProvider = field(default=KeyProvider.FILE, metadata=setting(choice(KeyProvider)))
    path: Path | None = field(default=None, metadata=setting(rules.path(), path=True))
    command: tuple[str, ...] | None = field(
        default=None,
        metadata=setting(
            rules.texts(allowed="a list: program, by its full path, and arguments", optional=True), parse=parse_list
        ),
    )

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that the command is there when it is asked."""
        if not broken & {"provider", "command"}:
            if self.provider is KeyProvider.COMMAND and self.command is None:
                yield Violation("command", None, "given, because provider is command")
            elif self.command is not None and not self.command[0].startswith("/"):
                yield Violation("command", list(self.command), "a program by its full path, and arguments")
            elif self.provider is not KeyProvider.COMMAND and self.command is not None:
                yield Violation("command", list(self.command), "left out, because provider is not command")


@dataclass(frozen=True, slots=True)
class AuditSettings(Config):
    """How the audit log is sealed.

    Arguments:
        checkpoint_file: Where signed checkpoints are written, best on another volume; None (default) is
            `audit-checkpoints.jsonl` in the data directory.
        checkpoint_records: Records after which a checkpoint is signed; 1 to 1,000,000, default 1000.
        checkpoint_interval: Seconds after which one is signed anyway; 1 to 86,400, default 60.
    """

    _: KW_ONLY
    checkpoint_file: Path | None = field(default=None, metadata=setting(rules.path(), path=True))
    checkpoint_records: int = field(
        default=1000, metadata=setting(integer(minimum=1, maximum=1_000_000, unit="records"), parse=parse_whole)
    )
    checkpoint_interval: float = field(
        default=60.0, metadata=setting(number(minimum=1.0, maximum=86_400.0, unit="seconds"), parse=parse_number)
    )


@dataclass(frozen=True, slots=True)
class ReplicaSettings(Config):
    """How the processes that joined are watched.

    Arguments:
        push_interval: Seconds between two reports of a replica; 0.1 to 60, default 1.
        stale_after: Seconds of silence after which a replica is shown as stale; above `push_interval`, default 5.
        dropped_after: Seconds of silence after which it is forgotten; above `stale_after`, default 300.
    """

    _: KW_ONLY
    push_interval: float = field(
        default=1.0, metadata=setting(number(minimum=0.1, maximum=60.0, unit="seconds"), parse=parse_number)
    )
    stale_after: float = field(
        default=5.0, metadata=setting(number(above=True, maximum=3600.0, unit="seconds"), parse=parse_number)
    )
    dropped_after: float = field(
        default=300.0, metadata=setting(number(above=True, maximum=604_800.0, unit="seconds"), parse=parse_number)
    )

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that a replica first reports, then is stale, then dropped."""
        for shorter, longer in (("push_interval", "stale_after"), ("stale_after", "dropped_after")):
            if not broken & {shorter, longer} and getattr(self, longer) <= getattr(self, shorter):
                yield Violation(longer, getattr(self, longer), f"above {shorter} ({getattr(self, shorter):g} seconds)")


class LogFormat(StrEnum):
    """One JSON object for each line, or text for people."""

    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LoggingSettings(Config):
    """What the server writes to standard error.

    Arguments:
        format: text (default) or json.
        level: debug, info (default), warning or error.
        burst: Lines of one kind that are written at once: those that have logger and message in common but for what is
            put into it, and from error upwards only those that say exactly the same; 1 to 100,000, default 20.
        rate: Lines of one kind that are written in a second after that; 0.001 to 100,000, default 1. What is left out
            is counted, and told in one line once the storm is over.
    """

    _: KW_ONLY
    format: LogFormat = field(default=LogFormat.TEXT, metadata=setting(choice(LogFormat)))
    level: LogLevel = field(default=LogLevel.INFO, metadata=setting(choice(LogLevel)))
    burst: int = field(
        default=20, metadata=setting(integer(minimum=1, maximum=100_000, unit="lines"), parse=parse_whole)
    )
    rate: float = field(default=1.0, metadata=setting(number(minimum=0.001, maximum=100_000.0), parse=parse_number))


@dataclass(frozen=True, slots=True)
class MetricsSettings(Config):
    """What `GET /metrics` tells.

    Arguments:
        max_circuits: Circuits, policies, services and targets that are told of one by one, of each so many at most; the
            rest is in sums only, and counted.
    """

    _: KW_ONLY
    max_circuits: int = field(
        default=MAX_CIRCUITS, metadata=setting(integer(minimum=1, maximum=100_000, unit="circuits"), parse=parse_whole)
    )


@dataclass(frozen=True, slots=True)
class OpenTelemetrySettings(Config):
    """What the control plane exports through OpenTelemetry; where to say its own variables `OTEL_EXPORTER_OTLP_*`.

    Arguments:
        traces: Whether each recovery is exported as a trace; default false.
        metrics: Whether what `GET /metrics` tells is exported as well; default false.
    """

    _: KW_ONLY
    traces: bool = field(default=False, metadata=setting(boolean(), parse=parse_switch))
    metrics: bool = field(default=False, metadata=setting(boolean(), parse=parse_switch))


SECTIONS: dict[str, type[Config]] = {
    "server": ServerSettings,
    "database": DatabaseSettings,
    "data": DataSettings,
    "access": AccessSettings,
    "keys": KeySettings,
    "audit": AuditSettings,
    "replicas": ReplicaSettings,
    "logging": LoggingSettings,
    "metrics": MetricsSettings,
    "opentelemetry": OpenTelemetrySettings,
    "recovery": RecoverySettings,
    "outbound": OutboundSettings,
    "alerts": AlertSettings,
}
"""Tables of the settings file and the classes that read them; `retention` is read by the storage."""
