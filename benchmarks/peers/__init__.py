"""The other libraries, one adapter each; one that is not installed is named and left out."""

from __future__ import annotations

import importlib
import importlib.util
from importlib import metadata

from ..candidate import Build, Field, Form, Kind
from .peer import Peer

_ADAPTERS = (
    "aiobreaker",
    "aioresilience",
    "backoff",
    "circuitbreaker",
    "fluxgate",
    "hyx",
    "interlock",
    "lasier",
    "purgatory",
    "pybreaker",
    "pyfailsafe",
    "pyresilience",
    "redress",
    "stamina",
    "tenacity",
    "stacks",
)


def enlist(field: Field) -> None:
    """Add every installed peer to the field, and the names of the others to `field.missing`."""
    for adapter in _ADAPTERS:
        module = importlib.import_module(f"{__name__}.{adapter}_peer")
        for peer in module.PEERS:
            if all(importlib.util.find_spec(name) for name in peer.modules):
                _enlist(field, peer)
            else:
                field.missing.append(peer.name)


def _enlist(field: Field, peer: Peer) -> None:
    forms: dict[Form, Build | None] = {
        Form.PLAIN_BREAKER: peer.breaker,
        Form.COROUTINE_BREAKER: peer.breaker_async,
        Form.PLAIN_RETRY: peer.retry,
        Form.COROUTINE_RETRY: peer.retry_async,
        Form.CIRCUIT: peer.circuit,
        Form.KEYED: peer.keyed,
    }
    for form, build in forms.items():
        if build is not None:
            field.add(form, peer.name, Kind.PEER, build)
    combined = peer.combined
    if combined is not None:
        field.add(Form.COMBINED, peer.name, Kind.PEER, lambda operation, fallback: combined(operation, fallback, False))
        field.add(
            Form.COMBINED_TIMEOUT, peer.name, Kind.PEER, lambda operation, fallback: combined(operation, fallback, True)
        )
    if peer.import_line:
        field.imports[peer.name] = peer.import_line
    if peer.distribution:
        field.versions.append(f"{peer.distribution} {metadata.version(peer.distribution)}")
