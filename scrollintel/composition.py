"""Wires a control plane from plain values: database, keys, fleet, use cases. Nothing is started here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .control.declared import Declarations
from .core.clock import SYSTEM_CLOCK, Clock
from .recovery.runner import RecoveryRunner
from .security.key_files import FileKeyProvider
from .security.key_providers import KeyProvider
from .security.oidc import OidcConfig
from .service.access import BAD_TOKENS_PER_MINUTE
from .service.fleet import Fleet
from .service.plane import ControlPlane
from .service.use_cases import UseCases
from .storage.engine import Database
from .storage.retention import RetentionPolicy

NOTHING_DECLARED = Declarations()


def file_keys(path: Path) -> Callable[[bool], KeyProvider]:
    """Return what gives keys from files; the first one is made while nothing has been encrypted yet."""
    return lambda create: FileKeyProvider(path, create=create)


def wire(
    *,
    directory: Path,
    database_url: str | None = None,
    enforced: bool = False,
    key_provider: Callable[[bool], KeyProvider] | None = None,
    oidc: OidcConfig | None = None,
    declared: Declarations = NOTHING_DECLARED,
    stale_after: float = 5.0,
    dropped_after: float = 300.0,
    push_interval: float = 1.0,
    checkpoint_file: Path | None = None,
    bad_tokens_per_minute: int = BAD_TOKENS_PER_MINUTE,
    retention: RetentionPolicy | None = None,
    runner: RecoveryRunner | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> UseCases:
    """Return the use cases of a control plane that is not started yet.

    Arguments:
        directory: Folder for what is kept beside the database; made with mode 0700.
        database_url: `sqlite:///FILE` or `postgresql://…`; by default the file `control.db` in the directory.
        enforced: Whether requests need a token.
        key_provider: Gives the provider of key-encryption keys; by default files in the directory.
        oidc: Which tokens of an identity provider are accepted, or None.
        declared: What a file declares.
        stale_after, dropped_after: Seconds of silence after which a replica is marked and forgotten.
        push_interval: Seconds between reports of replicas.
        checkpoint_file: Where checkpoints of the audit log are kept outside the database; by default in the directory.
        bad_tokens_per_minute: Requests without a valid token that one address may send in a minute.
        retention: How long histories are kept; the defaults of `RetentionPolicy`.
        runner: Recovery strategies of this process; none by default.
        clock: Source of time.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = database_url or f"sqlite:///{directory / 'control.db'}"
    plane = ControlPlane(
        Database(url),
        key_provider=key_provider or file_keys(directory / "keys"),
        fleet=Fleet(stale_after=stale_after, dropped_after=dropped_after, clock=clock),
        clock=clock,
    )
    return UseCases(
        plane,
        directory=directory,
        enforced=enforced,
        oidc=oidc,
        declared=declared,
        push_interval=push_interval,
        checkpoint_file=checkpoint_file,
        bad_tokens_per_minute=bad_tokens_per_minute,
        retention=retention,
        runner=runner,
    )
