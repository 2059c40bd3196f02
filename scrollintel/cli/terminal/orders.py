"""What an operator can order from the dashboard: what it does, in words, and the request that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..client import Client, path
from ..output import part, parts, plain
from ..problems import ProblemError

Json = Mapping[str, Any]  # Any: JSON values


@dataclass(frozen=True, slots=True)
class Order:
    """One order.

    Arguments:
        title: What is written on the button.
        consequence: What happens, as one sentence with its full stop.
        route: Where it is sent.
        done: The sentence that says it has been done.
        body: What is sent beside the reason.
        needs_reason: Whether the control plane takes it with a reason only.
        second: The consequence that is asked about when one confirmation is not enough, or None.
    """

    title: str
    consequence: str
    route: str
    done: str
    body: Mapping[str, object] = field(default_factory=dict)
    needs_reason: bool = False
    second: str | None = None

    def send(self, client: Client, reason: str | None) -> str:
        """Have it carried out and return the sentence that says so.

        Raises:
            CommandError: as `Client.request` does.
        """
        body = {**self.body, **({} if reason is None else {"reason": reason})}
        answer = client.request("POST", self.route, body=body).item()
        if answer.get("journalled"):
            return f"{self.done} The database is down: the order is journalled and imported later."
        return self.done

    def again(self, error: ProblemError) -> Order | None:
        """Return the order with its second confirmation when that is what the control plane misses, else None."""
        if error.code != "confirmation_needed" or self.second is None:
            return None
        return replace(self, consequence=self.second, body={**self.body, "confirm": True}, second=None)


def isolate(name: str) -> Order:
    """Return the order that holds a circuit open."""
    shown = plain(name)
    return Order(
        f"Isolate {shown}",
        f"Every call of {shown} is refused on all replicas, also on those that join later, until it is closed or "
        "reset by hand.",
        path("circuit-breakers", name, "isolate"),
        f"Circuit {shown} is held open on all replicas.",
        needs_reason=True,
    )


def close(name: str) -> Order:
    """Return the order that lets calls pass again."""
    shown = plain(name)
    return Order(
        f"Close {shown}",
        f"{shown} is closed on all replicas, so that calls reach what it protects from; counts are kept.",
        path("circuit-breakers", name, "close"),
        f"Circuit {shown} is closed on all replicas.",
    )


def reset(name: str) -> Order:
    """Return the order that closes a circuit and forgets its counts."""
    shown = plain(name)
    return Order(
        f"Reset {shown}",
        f"{shown} is closed on all replicas, and its counts and history are forgotten.",
        path("circuit-breakers", name, "reset"),
        f"Circuit {shown} is reset on all replicas.",
    )


def acknowledge(incident: Json) -> Order:
    """Return the order that says that somebody looks after an incident."""
    number, target = str(incident.get("id")), plain(incident.get("target"))
    return Order(
        "Acknowledge",
        f"Everybody sees that you look after {target}; what is done automatically goes on.",
        path("incidents", number, "acknowledge"),
        f"The incident of {target} is acknowledged.",
    )


def cancel(incident: Json) -> Order:
    """Return the order that ends an incident."""
    number, target = str(incident.get("id")), plain(incident.get("target"))
    return Order(
        "Cancel the incident",
        f"Nothing more is done about {target}, whether it is repaired or not; a recovery that runs ends after the "
        "step that it is in.",
        path("incidents", number, "cancel"),
        f"The incident of {target} is cancelled.",
        needs_reason=True,
    )


def approve(question: Json) -> Order:
    """Return the order that agrees to exactly the plan of a question."""
    target = plain(question.get("target"))
    return Order(
        "Approve the plan",
        f"This plan is carried out on {target}: {plan_sentence(question)}.",
        path("approvals", str(question.get("id")), "decide"),
        f"The plan for {target} is approved.",
        body={"decision": "approve", "digest": question.get("digest")},
        second="Nobody is told apart here, so you stand in for a second person as well: the plan is carried out.",
    )


def refuse(question: Json) -> Order:
    """Return the order that refuses the plan of a question."""
    target = plain(question.get("target"))
    return Order(
        "Refuse the plan",
        f"The plan for {target} is not carried out, and its recovery ends: people have to repair it.",
        path("approvals", str(question.get("id")), "decide"),
        f"The plan for {target} is refused.",
        body={"decision": "refuse", "digest": question.get("digest")},
        second="Nobody is told apart here, so you stand in for a second person as well: the plan is refused.",
    )


def plan_sentence(question: Json) -> str:
    """Return what the plan of a question does."""
    plan = part(question, "plan")
    actions = plan.get("actions")
    listed = "; ".join(map(plain, actions)) if isinstance(actions, list) and actions else "no further steps"
    return f"{plain(plan.get('strategy'))} ({listed})"


def question_of(incident: Json, questions: Json) -> dict[str, Any] | None:
    """Return the question about an incident that stands, or None."""
    for item in parts(questions, "items"):
        if item.get("incident") == incident.get("id") and item.get("decision") is None:
            return item
    return None
