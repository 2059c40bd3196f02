"""Composition root: settings → a wired control plane → a server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from .composition import file_keys, wire
from .control.declared import Declarations, PolicyDeclaration, ServiceDeclaration
from .control.records import Dependency
from .security.key_providers import CommandKeyProvider, EnvironmentKeyProvider, KeyProvider
from .security.oidc import OidcConfig
from .service.use_cases import UseCases
from .serving import Listening, run
from .settings import Declared, Settings
from .storage.retention import RetentionPolicy
from .telemetry.logs import configure

logger = logging.getLogger("scrollintel")


def serve(settings: Settings) -> None:
    """Run the control plane until SIGINT or SIGTERM.

    Raises:
        OSError: when the address cannot be listened on.
    """
    configure(settings.logging.format.value, settings.logging.level.value)
    if not settings.is_access_enforced:
        logger.warning(
            "access control is off: whoever can reach %s:%d on this machine may do everything; "
            "set access.enabled to turn it on",
            settings.server.host,
            settings.server.port,
        )
    run(build(settings), listening(settings))


def build(settings: Settings) -> UseCases:
    """Return the use cases that the settings describe, not started yet."""
    return wire(
        directory=settings.directory,
        database_url=settings.database_url,
        enforced=settings.is_access_enforced,
        key_provider=_keys(settings),
        oidc=_oidc(settings),
        declared=declarations(settings.declared),
        checkpoint_file=settings.checkpoint_file,
        retention=RetentionPolicy.from_dict(settings.retention),
        **_paces(settings),
    )


def listening(settings: Settings) -> Listening:
    """Return where the server listens."""
    server = settings.server
    return Listening(
        host=server.host,
        port=server.port,
        directory=settings.directory,
        tls_certificate=server.tls_certificate,
        tls_key=server.tls_key,
        trusted_proxies=server.trusted_proxies,
        shutdown_timeout=server.shutdown_timeout,
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


def _paces(settings: Settings) -> dict[str, Any]:  # Any: keyword arguments of `wire`
    replicas = settings.replicas
    return {
        "stale_after": replicas.stale_after,
        "dropped_after": replicas.dropped_after,
        "push_interval": replicas.push_interval,
    }


def _keys(settings: Settings) -> Callable[[bool], KeyProvider]:
    keys = settings.keys
    if keys.provider.value == "environment":
        return lambda create: EnvironmentKeyProvider()
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
