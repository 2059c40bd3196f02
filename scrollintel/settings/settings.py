"""All settings of a control plane, resolved and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..recovery.runbook import Runbook
from ..recovery.target import Target
from ..telemetry.notify.config import ChannelConfig
from .access_section import AccessSettings
from .alert_section import AlertSettings
from .declared import Declared
from .recovery_sections import OutboundSettings, RecoverySettings
from .secrecy import without_password
from .sections import (
    SECTIONS,
    AuditSettings,
    DatabaseSettings,
    DataSettings,
    KeySettings,
    LoggingSettings,
    MetricsSettings,
    OpenTelemetrySettings,
    ReplicaSettings,
    ServerSettings,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What settings were loaded from.

    Arguments:
        config_path, environment, overrides, directory: As `load` takes them.
    """

    config_path: Path | None
    environment: Mapping[str, str] = field(repr=False)
    overrides: Mapping[str, object]
    directory: Path | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What `load` found, one attribute for each table of `scrollintel.toml`.

    Arguments:
        server, database, data, access, keys, audit, replicas, logging: The tables of those names.
        metrics, opentelemetry, recovery, outbound, alerts: The tables of those names.
        retention: What RetentionPolicy takes, as given.
        declared: Policies, circuit breakers, services and targets of the file.
        runbooks: Programs that recoveries may run, by name.
        notifications: Channels through which people are told; secrets are references.
        default_directory: Folder for data when `data.directory` is None.
        file: The settings file, or None when there is none.
        sources: Where each value that is not a default was set, by table and key, such as `server.port`.
        origin: What they were loaded from, for `reload`.
    """

    default_directory: Path
    server: ServerSettings = field(default_factory=ServerSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    data: DataSettings = field(default_factory=DataSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    replicas: ReplicaSettings = field(default_factory=ReplicaSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    opentelemetry: OpenTelemetrySettings = field(default_factory=OpenTelemetrySettings)
    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    outbound: OutboundSettings = field(default_factory=OutboundSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    retention: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # Any: TOML values
    declared: Declared = field(default_factory=Declared)
    runbooks: Mapping[str, Runbook] = field(default_factory=lambda: MappingProxyType({}))
    notifications: tuple[ChannelConfig, ...] = ()
    file: Path | None = None
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    origin: Origin = field(default_factory=lambda: Origin(None, {}, {}, None), repr=False, compare=False)

    @property
    def directory(self) -> Path:
        """The data directory."""
        return self.data.directory or self.default_directory

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is watched."""
        return self.declared.targets

    @property
    def engine_url(self) -> str:
        """Where recoveries in progress are kept; it may hold a password."""
        return self.recovery.engine_url or f"sqlite:///{self.directory / 'recovery.db'}"

    @property
    def database_url(self) -> str:
        """The address of the database; it may hold a password."""
        return self.database.url or f"sqlite:///{self.directory / 'control.db'}"

    @property
    def keys_directory(self) -> Path:
        """Folder of the key files, when keys come from files."""
        return self.keys.path or self.directory / "keys"

    @property
    def checkpoint_file(self) -> Path:
        """Where signed checkpoints of the audit log are written."""
        return self.audit.checkpoint_file or self.directory / "audit-checkpoints.jsonl"

    @property
    def admin_socket(self) -> Path:
        """The Unix socket on which the owner of the data directory needs no token."""
        return self.directory / "admin.sock"

    @property
    def is_access_enforced(self) -> bool:
        """Whether requests need an identity: always, unless it was turned off or only this machine can ask."""
        if self.access.enabled is not None:
            return self.access.enabled
        return not self.server.is_local or bool(self.server.trusted_proxies) or self.access.oidc_issuer is not None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the values in force, resolved and without passwords."""
        result: dict[str, Any] = {name: getattr(self, name).to_dict() for name in SECTIONS}
        result["database"]["url"] = without_password(self.database_url)
        result["recovery"]["engine_url"] = without_password(self.engine_url)
        result["data"]["directory"] = str(self.directory)
        result["keys"]["path"] = str(self.keys_directory)
        result["audit"]["checkpoint_file"] = str(self.checkpoint_file)
        result["access"]["enabled"] = self.is_access_enforced
        result["retention"] = dict(self.retention)
        return result
