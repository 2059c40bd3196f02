"""Wires a control plane from settings or plain values: database, keys, fleet, use cases. Nothing is started here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .control.alerts import AlertRules
from .control.declared import Declarations, PolicyDeclaration, ServiceDeclaration
from .control.records import Dependency
from .core.clock import SYSTEM_CLOCK, Clock
from .recovery.brake import BrakeLimits
from .recovery.runner import RecoveryRunner
from .security.code_flow import OidcClient
from .security.key_files import FileKeyProvider
from .security.key_providers import CommandKeyProvider, EnvironmentKeyProvider, KeyProvider
from .security.oidc import OidcConfig
from .security.sessions import SessionLimits
from .service.access import BAD_TOKENS_PER_MINUTE
from .service.automation.configured import AutomationConfig
from .service.automation.judgement import Rules
from .service.checkpoints import INTERVAL, RECORDS
from .service.fleet import Fleet
from .service.plane import ControlPlane
from .service.use_cases import UseCases
from .settings import Declared, Settings
from .storage.engine import Database
from .storage.retention import RetentionPolicy
from .telemetry.families import MAX_CIRCUITS
from .telemetry.notify.channels import named

NOTHING_DECLARED = Declarations()


def file_keys(path: Path) -> Callable[[bool], KeyProvider]:
    """Return what gives keys from files; the first one is made while nothing has been encrypted yet."""
    return lambda create: FileKeyProvider(path, create=create)


def environment_keys() -> Callable[[bool], KeyProvider]:
    """Return what reads keys from the environment whenever they are asked for, and says once what that is meant for."""
    is_told = False

    def read(create: bool) -> KeyProvider:
        nonlocal is_told
        provider = EnvironmentKeyProvider(warns=not is_told)
        is_told = True
        return provider

    return read


def wire(
    *,
    directory: Path,
    database_url: str | None = None,
    enforced: bool = False,
    key_provider: Callable[[bool], KeyProvider] | None = None,
    oidc: OidcConfig | None = None,
    oidc_client: OidcClient | None = None,
    sessions: SessionLimits | None = None,
    declared: Declarations = NOTHING_DECLARED,
    stale_after: float = 5.0,
    dropped_after: float = 300.0,
    push_interval: float = 1.0,
    checkpoint_file: Path | None = None,
    checkpoint_records: int = RECORDS,
    checkpoint_interval: float = INTERVAL,
    bad_tokens_per_minute: int = BAD_TOKENS_PER_MINUTE,
    retention: RetentionPolicy | None = None,
    runner: RecoveryRunner | None = None,
    automation: AutomationConfig | None = None,
    max_metric_circuits: int = MAX_CIRCUITS,
    alerts: AlertRules | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> UseCases:
    """Return the use cases of a control plane that is not started yet.

    Arguments:
        directory: Folder for what is kept beside the database; made with mode 0700.
        database_url: `sqlite:///FILE` or `postgresql://…`; by default the file `control.db` in the directory.
        enforced: Whether requests need a token.
        key_provider: Gives the provider of key-encryption keys; by default files in the directory.
        oidc: Which tokens of an identity provider are accepted, or None.
        oidc_client: How browsers sign in at the provider; None when they cannot.
        sessions: How long sessions of browsers last; the defaults of `SessionLimits`.
        declared: What a file declares.
        stale_after, dropped_after: Seconds of silence after which a replica is marked and forgotten.
        push_interval: Seconds between reports of replicas.
        checkpoint_file: Where checkpoints of the audit log are kept outside the database; by default in the directory.
        checkpoint_records: Records after which one is signed; default 1,000.
        checkpoint_interval: Seconds after which one is signed anyway; default 60.
        bad_tokens_per_minute: Requests without a valid token that one address may send in a minute.
        retention: How long histories are kept; the defaults of `RetentionPolicy`.
        runner: Recovery strategies of this process; none by default.
        automation: What is watched and repaired; nothing by default, and recoveries end with the process then.
        max_metric_circuits: Circuits, policies, services and targets that metrics tell of one by one, of each so many
            at most; default 1,000.
        alerts: When the platform itself alerts; the defaults of `AlertRules`.
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
        oidc_client=oidc_client,
        sessions=sessions,
        declared=declared,
        push_interval=push_interval,
        checkpoint_file=checkpoint_file,
        checkpoint_records=checkpoint_records,
        checkpoint_interval=checkpoint_interval,
        bad_tokens_per_minute=bad_tokens_per_minute,
        retention=retention,
        runner=runner,
        automation=automation,
        max_circuits=max_metric_circuits,
        alerts=alerts,
    )


def from_settings(settings: Settings) -> UseCases:
    """Return the use cases that settings describe, not started yet."""
    replicas = settings.replicas
    return wire(
        directory=settings.directory,
        database_url=settings.database_url,
        enforced=settings.is_access_enforced,
        key_provider=_keys(settings),
        oidc=_oidc(settings),
        oidc_client=_oidc_client(settings),
        sessions=SessionLimits(idle=settings.access.session_idle, lifetime=settings.access.session_lifetime),
        declared=declarations(settings.declared),
        stale_after=replicas.stale_after,
        dropped_after=replicas.dropped_after,
        push_interval=replicas.push_interval,
        checkpoint_file=settings.checkpoint_file,
        checkpoint_records=settings.audit.checkpoint_records,
        checkpoint_interval=settings.audit.checkpoint_interval,
        retention=RetentionPolicy.from_dict(settings.retention),
        automation=automation(settings),
        alerts=settings.alerts.rules,
        max_metric_circuits=settings.metrics.max_circuits,
    )


def automation(settings: Settings) -> AutomationConfig:
    """Return what settings say about watching and repairing."""
    recovery = settings.recovery
    return AutomationConfig(
        targets=settings.targets,
        rules=Rules(max_running=recovery.max_running, freeze=recovery.freeze, windows=recovery.windows),
        brake=BrakeLimits(
            share=recovery.storm_share, recoveries=recovery.storm_recoveries, window=recovery.storm_window
        ),
        outbound=settings.outbound.policy,
        runbooks=settings.runbooks,
        channels=named(settings.notifications),
        heartbeat_socket=recovery.heartbeat_socket,
        engine_url=recovery.engine_url,
        durable=True,
    )


def declarations(declared: Declared) -> Declarations:
    """Return what a settings file declares, as the control plane takes it."""
    return Declarations(
        policies=tuple(PolicyDeclaration(item.policy, item.service, item.location) for item in declared.policies),
        services=tuple(
            ServiceDeclaration(
                name=item.service.name,
                tier=item.service.tier,
                owner=item.service.owner,
                description=item.service.description,
                depends_on=tuple(Dependency(name=name, kind=kind) for name, kind in item.service.depends_on),
                location=item.location,
            )
            for item in declared.services
        ),
    )


def _keys(settings: Settings) -> Callable[[bool], KeyProvider]:
    keys = settings.keys
    if keys.provider.value == "environment":
        return environment_keys()
    if keys.provider.value == "command":
        command = keys.command or ()
        return lambda create: CommandKeyProvider(command)
    return file_keys(settings.keys_directory)


def _oidc(settings: Settings) -> OidcConfig | None:
    access = settings.access
    if access.oidc_issuer is None or access.oidc_audience is None:
        return None
    return OidcConfig(
        issuer=access.oidc_issuer,
        audience=access.oidc_audience,
        key_set_url=access.oidc_jwks_url,
        key_set_file=access.oidc_jwks_file,
        algorithms=access.oidc_algorithms,
        groups_claim=access.oidc_groups_claim,
        grants=dict(access.oidc_grants),
    )


def _oidc_client(settings: Settings) -> OidcClient | None:
    access = settings.access
    if access.oidc_client_id is None:
        return None
    return OidcClient(
        client_id=access.oidc_client_id,
        client_secret=access.oidc_client_secret,
        authorization_url=access.oidc_authorization_url,
        token_url=access.oidc_token_url,
        redirect_url=access.oidc_redirect_url,
    )
