"""What strategies share that act through another machine's interface: requests, fresh looks, and plans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import ScrollIntelError, StepFailedError
from ..outbound.http import request_blocking
from ..outbound.messages import HttpError
from ..outbound.policy import OutboundPolicy
from ..outbound.references import resolve
from ..recovery.strategy import Observation, Plan, Step, Traits
from ..recovery.symptom import Depth
from .kinds import StrategyContext

MAX_ANSWER = 2**20
"""Bytes of an answer that are read."""


class RemoteError(ScrollIntelError):
    """Another machine's interface did not do what it was asked; the text holds no address and no secret."""

    code = "remote_failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an interface.

    Arguments:
        status: HTTP status.
        content: The body as JSON, or None when it is none.
    """

    status: int
    content: Any  # Any: JSON values of mixed types

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body when it is an object, else nothing."""
        return self.content if isinstance(self.content, dict) else {}

    def expect(self, what: str, *statuses: int) -> Answer:
        """Return the answer when its status is one of `statuses`, or 2xx without any.

        Raises:
            RemoteError: otherwise, naming `what`.
        """
        if self.status in statuses or (not statuses and 200 <= self.status < 300):
            return self
        raise RemoteError(f"{what} was answered with {self.status}")


@dataclass(frozen=True, slots=True)
class Interface:
    """An HTTP interface of another machine.

    Arguments:
        base: Address that paths are appended to.
        policy: Which addresses may be spoken to.
        headers: Header fields; values may hold references to secrets, which are read for each request.
        timeout: Seconds for one request.
        ca_file: Certificates to trust, or None for the system's.
    """

    base: str
    policy: OutboundPolicy
    headers: Mapping[str, str]
    timeout: float
    ca_file: str | None = None

    def ask(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one request; `content` is sent as JSON, bytes as they are.

        Raises:
            RemoteError: when no answer comes.
            SecretUnavailableError: when a reference in the header fields cannot be read.
        """
        fields = {name: resolve(value) for name, value in self.headers.items()} | dict(headers or {})
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        if body:
            fields.setdefault("Content-Type", kind)
        try:
            response = request_blocking(
                method,
                self.base.rstrip("/") + path if path else self.base,
                headers={"Accept": "application/json", "User-Agent": "scrollintel", **fields},
                body=body,
                timeout=self.timeout,
                max_body=MAX_ANSWER,
                ca_file=self.ca_file,
                policy=self.policy,
            )
        except (OSError, HttpError) as error:
            raise RemoteError(f"no answer: {type(error).__name__}") from None
        return Answer(response.status, decoded(response.body))


def decoded(body: bytes) -> Any:  # Any: JSON values of mixed types
    """Return a body as JSON, or None when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


class RemoteStrategy:
    """A strategy that is judged by fresh looks at its target; `plan` and `act` are its own."""

    def __init__(self, name: str, context: StrategyContext, traits: Traits) -> None:
        self.name = name
        self.traits = traits
        self.context = context

    def observe(self) -> Observation:
        """Look at the target afresh; see `RecoveryStrategy`."""
        looks = self.context.probe(list(Depth))
        bad = [look for look in looks if not look.good]
        symptom = "; ".join(look.detail or look.check for look in bad) or ("healthy" if looks else "has no checks")
        healthy = bool(looks) and not bad
        return Observation(
            service=self.context.target.service,
            healthy=healthy,
            symptom=symptom,
            observed_at=self.context.now,
            facts={"failure_type": bad[0].failure_type} if bad and bad[0].failure_type else {},
        )

    def verify(self, plan: Plan) -> bool:
        """Tell whether every look at the target is good; without any, nothing is proven."""
        looks = self.context.probe(list(Depth))
        return bool(looks) and all(look.good for look in looks)

    def undo(self, plan: Plan) -> None:
        """Nothing can be taken back."""

    def planned(self, observation: Observation, *actions: str, **parameters: Any) -> Plan:  # Any: JSON values
        """Return a plan of these actions."""
        return Plan(
            service=self.context.target.service,
            strategy=self.name,
            actions=actions,
            reason=observation.symptom,
            planned_at=self.context.now,
            parameters=parameters,
        )

    def failed(self, step: Step, reason: str) -> StepFailedError:
        """Return the error that ends a step."""
        return StepFailedError(self.name, step.value, reason)
