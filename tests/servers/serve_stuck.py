"""A control plane whose recoveries of the service "orders" act and never end: for kills and stops in the middle."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from scrollintel.composition import wire
from scrollintel.recovery import Observation, Plan, RecoveryRunner
from scrollintel.serving import Listening, run


class Stuck:
    """A strategy that does not come back from acting."""

    name = "stuck"

    def observe(self) -> Observation:
        """Find the service broken."""
        now = datetime.now(UTC)
        return Observation(service="orders", healthy=False, symptom="nobody answers", observed_at=now)

    def plan(self, observation: Observation) -> Plan:
        """Plan one action."""
        now = datetime.now(UTC)
        return Plan(service="orders", strategy=self.name, actions=("wait",), reason="test", planned_at=now)

    def act(self, plan: Plan) -> None:
        """Wait for ever."""
        threading.Event().wait()

    def verify(self, plan: Plan) -> bool:
        """Never be asked."""
        raise AssertionError("an act that does not end is not verified")

    def undo(self, plan: Plan) -> None:
        """Never be asked."""
        raise AssertionError("an act that does not end is not undone")


if __name__ == "__main__":
    logging.basicConfig(level="INFO")
    directory = Path(sys.argv[1])
    runner = RecoveryRunner()
    runner.register(Stuck(), service="orders")
    use_cases = wire(directory=directory, runner=runner, **json.loads(sys.argv[3]))
    run(use_cases, Listening(port=int(sys.argv[2]), directory=directory))
