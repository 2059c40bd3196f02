"""Restarting a container through the Docker Engine API; tested against a recorded API, not against an engine.

The recordings follow the reference of the Engine API 1.43: inspect and restart of a container.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.config.base import Config, integer, number
from ..core.errors import PlanRefusedError
from ..outbound.options import http_url, line
from ..recovery.strategy import Idempotency, Observation, Plan, Step, Traits
from .kinds import StrategyContext, StrategyKind
from .remote import Interface, RemoteError, RemoteStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions(Config):
    """A container that is restarted.

    Arguments:
        container: Its name or id.
        socket: Path of the engine's Unix socket, which the outbound rules have to allow; default
            /var/run/docker.sock. Not used with `url`.
        url: Address of an engine that listens on TCP, or None (default).
        ca_file: Certificates to trust with `url`, or None for the system's.
        grace: Seconds that the container gets to end, 0 to 3600; default 10.
        timeout: Seconds for a request besides `grace`, above 0 and at most 60; default 10.

    Raises:
        ConfigError: with every violation.
    """

    container: str = field(
        metadata=line(maximum=128, pattern="[A-Za-z0-9][A-Za-z0-9_.-]*", words="a name or id of a container")
    )
    socket: str = field(
        default="/var/run/docker.sock",
        metadata=line(maximum=100, pattern="/[^:\\s]+", words="an absolute path without blanks and colons"),
    )
    url: str | None = field(default=None, metadata=http_url(optional=True))
    ca_file: str | None = field(default=None, metadata=line(optional=True))
    grace: int = field(default=10, metadata=integer(maximum=3600, unit="seconds"))
    timeout: float = field(default=10.0, metadata=number(above=True, maximum=60.0, unit="seconds"))


class RestartContainer(RemoteStrategy):
    """Restarts a container, unless it was started anew since it was looked at."""

    def __init__(self, context: StrategyContext, options: ContainerOptions) -> None:
        super().__init__("restart-container", context, TRAITS)
        self._options = options
        wait = options.timeout + options.grace
        base = f"unix://{options.socket}:" if options.url is None else options.url
        self._engine = Interface(base, context.outbound, {}, wait, options.ca_file)

    def plan(self, observation: Observation) -> Plan:
        """Say which container is restarted, bound to its id and to the moment of its last start.

        Raises:
            PlanRefusedError: when it was paused, which somebody has done on purpose.
        """
        identity, started, state = self._inspect()
        if state.get("Paused") is True:
            raise PlanRefusedError("the container is paused")
        options = self._options
        action = f"restart container {options.container}, with {options.grace} s to end"
        return self.planned(observation, action, id=identity, started_at=started)

    def act(self, plan: Plan) -> None:
        """Restart it, unless that has happened."""
        identity, started, _ = self._inspect()
        if identity != plan.parameters["id"]:
            raise self.failed(Step.ACT, "the container is another one than was planned for")
        if started == plan.parameters["started_at"]:
            path = f"/containers/{identity}/restart?t={self._options.grace}"
            self._engine.ask("POST", path).expect("the restart", 204)

    def verify(self, plan: Plan) -> bool:
        """Tell whether it runs since a new start, and the target answers."""
        identity, started, state = self._inspect()
        anew = identity == plan.parameters["id"] and started != plan.parameters["started_at"]
        return anew and state.get("Running") is True and super().verify(plan)

    def _inspect(self) -> tuple[str, str, dict[str, object]]:
        found = self._engine.ask("GET", f"/containers/{self._options.container}/json")
        fields = found.expect("looking at the container", 200).fields
        identity, state = fields.get("Id"), fields.get("State")
        if not isinstance(identity, str) or not identity.isalnum() or not isinstance(state, dict):
            raise RemoteError("the engine's answer is no container")
        return identity, str(state.get("StartedAt", "")), state


TRAITS = Traits(restarts=True, idempotency=Idempotency.GUARDED)
KIND = StrategyKind("restart-container", ContainerOptions, TRAITS, "Restarts a Docker container.", RestartContainer)
