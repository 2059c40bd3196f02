"""Replicas for tests: a manager of its own, and what a control plane may want of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scrollintel import CircuitBreakerConfig, FaultToleranceManager, Policy
from scrollintel.core.hub import EventHub
from scrollintel.core.strategies.breaker import Circuit
from scrollintel.replica.apply import LocalReplica
from scrollintel.replica.disk import Copy
from scrollintel.replica.protocol import Desired, LevelOrder, Order, PolicyOrder


class Process:
    """What one process of a service has: circuits, a replica and its copy on disk, restored as `connect` does it."""

    def __init__(self, directory: Path | None, service: str = "orders") -> None:
        self.manager = FaultToleranceManager(hub=EventHub())
        self.replica = LocalReplica(self.manager)
        self.copy = Copy(directory, service)
        self.desired, opened = self.copy.load()
        if self.desired is not None:
            self.replica.apply_desired(self.desired)
        self.replica.restore_open(opened)

    def circuit(self, name: str, **settings: Any) -> Circuit:  # Any: a breaker's settings
        """Return the circuit of that name."""
        return self.manager.registry.circuit(CircuitBreakerConfig(name, **settings))

    def save(self) -> bool:
        """Write the copy."""
        return self.copy.save(self.replica)

    def end(self) -> None:
        """End as a killed process does: the lock is free, and nothing is written."""
        self.copy.let_go()


def wanted() -> Desired:
    """Return a policy, an isolation and a level that a control plane wants."""
    content = Policy("shop", breaker=CircuitBreakerConfig("shop", failure_threshold=2)).to_dict()
    return Desired(
        policies={"shop": PolicyOrder("shop", 7, content)},
        orders=(Order("search", "eu", "maintenance", 3),),
        levels={"search": LevelOrder("search", 2, "slow", 60.0, 4)},
    )
