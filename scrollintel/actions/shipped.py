"""Loads the kinds of strategies that ship."""

from __future__ import annotations


def load() -> None:
    """Register them, once."""
    from . import cache, docker, failover, kubernetes, patroni, webhook
    from .kinds import register, registered

    for kind in (webhook.KIND, cache.KIND, *kubernetes.KINDS, docker.KIND, failover.KIND, patroni.KIND):
        if not registered(kind.name):
            register(kind)
