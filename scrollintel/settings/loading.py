"""Loads the settings: defaults, then `scrollintel.toml`, then SCROLLINTEL_* variables, then the command line."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..core.config.base import Config
from ..core.config.known_names import one_of
from ..core.errors import ConfigError
from ..recovery.target import Mode
from .declared import DECLARATIONS, read_declared
from .document import Document, find_file, read_document
from .findings import Findings
from .layers import RETENTION, Layers, collect, variable
from .plugins import load_plugins
from .recovery_sections import RecoverySettings
from .secrecy import is_well_known, password_of
from .sections import SECTIONS
from .settings import Origin, Settings
from .tables import read_notifications, read_runbooks

_NO_OVERRIDES: Mapping[str, object] = MappingProxyType({})


def load(
    config_path: Path | str | None = None,
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, object] = _NO_OVERRIDES,
    *,
    directory: Path | None = None,
) -> Settings:
    """Return the settings in force. A later source wins: defaults, file, environment, `overrides`.

    Arguments:
        config_path: The settings file; without it SCROLLINTEL_CONFIG, `scrollintel.toml` in the working folder and
            `scrollintel/scrollintel.toml` in the user's configuration folder are tried, and none of them is needed.
        environment: Variables, such as SCROLLINTEL_SERVER_PORT.
        overrides: Values of the command line by table and key, such as `{"server.port": 9000}`.
        directory: The working folder; default is that of the process.

    Raises:
        ConfigError: with every mistake of all sources: where it stands, what it is (never a secret), what is allowed.
    """
    findings = Findings()
    explicit = None if config_path is None else Path(config_path).expanduser()
    path, named_by = find_file(explicit, environment, Path.cwd() if directory is None else directory)
    document = read_document(path, named_by, findings)
    _check_tables(document, findings)
    layers = collect(document, environment, overrides, findings)
    sections = {name: section(name, kind, layers, findings) for name, kind in SECTIONS.items()}
    recovery = sections["recovery"]
    mode = Mode.OBSERVE
    if isinstance(recovery, RecoverySettings):
        mode = recovery.mode
        where = layers["recovery"]["plugins"][1] if "plugins" in layers["recovery"] else ""
        load_plugins(recovery.plugins, document.path, where, findings)
    declared = read_declared(document, findings, mode)
    runbooks = read_runbooks(document, findings)
    notifications = read_notifications(document, findings)
    _check_retention(layers, findings)
    findings.check()
    settings = Settings(
        default_directory=default_directory(environment),
        **sections,  # type: ignore[arg-type]  # each table has the class that SECTIONS names
        retention=MappingProxyType({key: value for key, (value, _) in layers[RETENTION].items()}),
        declared=declared,
        runbooks=runbooks,
        notifications=notifications,
        origin=Origin(explicit, environment, overrides, directory),
        file=document.path,
        sources=MappingProxyType(
            {f"{name}.{key}": where for name, values in layers.items() for key, (_, where) in values.items()}
        ),
    )
    _check_exposure(settings, findings)
    findings.check()
    return settings


def _check_tables(document: Document, findings: Findings) -> None:
    known = (*SECTIONS, RETENTION, *DECLARATIONS)
    for name, value in document.content.items():
        if name not in known:
            findings.add(document.where((name,)), value, one_of(known, name, "tables"), secret=True)


def section(name: str, kind: type[Config], layers: Layers, findings: Findings) -> Config | None:
    """Return a table as its class reads it, or None with its mistakes in `findings`."""
    values = layers[name]

    def where(field: str) -> str:
        key = field.partition(".")[0].partition("[")[0]
        return values[key][1] if key in values else f"{name}.{key} ({variable(name, key)})"

    try:
        return kind.from_dict({key: value for key, (value, _) in values.items()})
    except ConfigError as error:
        secret = {key for key in values if kind.__dataclass_fields__.get(key) is None} | {
            key for key, item in kind.__dataclass_fields__.items() if item.metadata.get("secret")
        }
        findings.take(error, where, secret=secret)
        return None


def _check_retention(layers: Layers, findings: Findings) -> None:
    """Let the class that uses the table check it; a client without the server's libraries leaves it unchecked."""
    values = layers[RETENTION]
    policy = retention_class() if values else None
    if policy is None:
        return
    try:
        policy.from_dict({key: value for key, (value, _) in values.items()})
    except ConfigError as error:
        findings.take(error, lambda field: values[field][1] if field in values else f"{RETENTION}.{field}")


def retention_class() -> Any:  # Any: the class is loaded when it is there
    """Return the class that reads the table `retention`, or None where the server's libraries are not installed."""
    try:
        return importlib.import_module("scrollintel.storage.retention").RetentionPolicy
    except ImportError:
        return None


def _check_exposure(settings: Settings, findings: Findings) -> None:
    """Refuse to be reachable from elsewhere without access control, or with a password that everybody knows."""
    server = settings.server
    exposed = not server.is_local or bool(server.trusted_proxies)
    if not exposed:
        return
    if settings.access.enabled is False:
        reason = "requests pass on from trusted_proxies" if server.is_local else f"server.host is {server.host}"
        findings.add(
            settings.sources["access.enabled"],
            False,
            f"true or left out, because {reason}: without access control anybody who reaches the server could steer"
            " every circuit",
        )
    password = password_of(settings.database.url) if settings.database.url else None
    if password is not None and is_well_known(password):
        findings.add(
            settings.sources["database.url"],
            settings.database.url,
            "an address with a password of its own, because the server can be reached from other machines",
            secret=True,
        )


def default_directory(environment: Mapping[str, str]) -> Path:
    """Return where files are kept unless the settings say otherwise."""
    base = environment.get("XDG_DATA_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "scrollintel"
    return Path(environment.get("HOME") or Path.home()) / ".local" / "share" / "scrollintel"
