"""What recovery strategies look and act with."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ...actions.kinds import StrategyContext
from ...recovery.symptom import Depth, Look
from ...recovery.target import Target
from ..built_in_recovery import Errand
from ..caller import Caller
from ..circuits import Circuits
from ..degradation import Degradation
from ..endpoints import Endpoints
from ..plane import ControlPlane
from .configured import AutomationConfig
from .orders import PlaneOrders

LOOK_TIMEOUT = 10.0
"""Seconds that a strategy waits for the event loop."""


class Equipment:
    """Made for each strategy as it is made; from any thread.

    Arguments:
        plane, circuits, degradation: The control plane and its use cases.
        directory: Where the files of strategies lie.
        config: What they may use.
        probe: Takes fresh looks at a target.
        told: Tells people what a strategy has to say.
    """

    def __init__(
        self,
        plane: ControlPlane,
        circuits: Circuits,
        degradation: Degradation,
        *,
        directory: Path,
        config: AutomationConfig,
        probe: Callable[[Target, Collection[Depth]], list[Look]],
        told: Callable[[str], None],
    ) -> None:
        self._plane = plane
        self._circuits = circuits
        self._degradation = degradation
        self._endpoints = Endpoints(plane)
        self._directory = directory
        self.config = config
        self._probe = probe
        self._told = told

    def orders(self, service: str) -> PlaneOrders:
        """Return what recoveries of a service order with."""
        return PlaneOrders(self._plane, self._circuits, self._degradation, self._endpoints, service, self._told)

    def context(self, target: Target) -> StrategyContext:
        """Return what a strategy of a target may use."""
        return StrategyContext(
            target=target, directory=self._directory, outbound=self.config.outbound,
            probe=lambda depths: self._probe(target, depths), orders=self.orders(target.service),
            clock=self._plane.clock, runbooks=self.config.runbooks,
        )  # fmt: skip

    def errand(self, service: str, caller: Caller) -> Errand:
        """Return what a built-in strategy is made for, in the name of a caller."""

        def on_loop(look: Callable[[], Any]) -> Any:  # Any: what the look returns
            return self._plane.ask_loop(look, LOOK_TIMEOUT)

        return Errand(self._plane, self._circuits, self._degradation, caller, service, on_loop)
