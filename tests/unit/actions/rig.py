"""What strategies are made for in tests: a target, looks that are as they are told, and orders that are remembered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from scrollintel.actions.kinds import StrategyContext
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.strategy import Plan, RecoveryStrategy
from scrollintel.recovery.symptom import Depth, Look
from scrollintel.recovery.target import Target
from scrollintel.testing import ManualClock

LOCAL = OutboundPolicy(private=("127.0.0.0/8",))
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Desk:
    """Orders of a control plane, as they were given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, ...]] = []
        self.addresses: dict[str, str] = {}

    def reset_circuit(self, circuit: str, reason: str) -> None:
        """Remember it."""
        self.given.append(("reset", circuit))

    def isolate_circuit(self, circuit: str, reason: str) -> None:
        """Remember it."""
        self.given.append(("isolate", circuit))

    def release_circuit(self, circuit: str, reason: str) -> None:
        """Remember it."""
        self.given.append(("release", circuit))

    def degrade(self, service: str, level: int, reason: str) -> None:
        """Remember it."""
        self.given.append(("degrade", service, str(level)))

    def point(self, endpoint: str, address: str, reason: str) -> None:
        """Remember it, and point there."""
        self.given.append(("point", endpoint, address))
        self.addresses[endpoint] = address

    def address_of(self, endpoint: str) -> str | None:
        """Return where it points."""
        return self.addresses.get(endpoint)

    def notify(self, text: str) -> None:
        """Remember it."""
        self.given.append(("notify", text))


class Bench:
    """A target whose looks are good or not.

    Arguments:
        directory: Folder of the strategy.
        name: Name of the target.
        policy: Which addresses may be spoken to; this machine's by default.
    """

    def __init__(self, directory: Path, name: str = "orders/1", policy: OutboundPolicy = LOCAL) -> None:
        self.good = False
        self.desk = Desk()
        self.clock = ManualClock()
        target = Target(name=name, service="orders")
        self.context = StrategyContext(target, directory, policy, self.looks, self.desk, self.clock)

    def looks(self, depths: Collection[Depth]) -> list[Look]:
        """Return one look."""
        detail = "" if self.good else "does not answer"
        kind = None if self.good else "not_ready"
        return [
            Look(
                target="orders/1", check="ready", depth=Depth.READY, good=self.good, failure_type=kind, detail=detail,
                at=0.0,
            )
        ]  # fmt: skip

    def plan(self, strategy: RecoveryStrategy, key: str = "rec_1", epoch: int = 3) -> Plan:
        """Return what a strategy plans, as the engine completes it."""
        found = strategy.plan(strategy.observe())
        assert found is not None
        return replace(found, key=key, epoch=epoch)
