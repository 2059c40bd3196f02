"""One incident with its timeline, the plan that waits for a person, and what a person can do about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.binding import Binding, BindingType

from ..client import Client, path
from ..marks import INCIDENTS, Tone, mark_of
from ..output import part, parts, plain
from . import orders, wording
from .access import START
from .detail import DetailScreen
from .overview import severity
from .view import Paint, grid

Json = Mapping[str, Any]  # Any: JSON values


class IncidentScreen(DetailScreen):
    """An incident, or a question about none.

    Arguments:
        incident: Its id, or None.
        question: Id of a question that belongs to no incident; not both.
    """

    orders = ("acknowledge", "approve", "refuse", "cancel")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "acknowledge", "Acknowledge"),
        Binding("y", "approve", "Approve"),
        Binding("n", "refuse", "Refuse"),
        Binding("x", "cancel", "Cancel"),
    ]

    def __init__(self, incident: str | None = None, *, question: str | None = None) -> None:
        super().__init__()
        self._incident = incident
        self._asked = question
        self._story: dict[str, Any] | None = None
        self._question: dict[str, Any] | None = None

    def look(self, client: Client) -> Callable[[], None]:
        """Ask for the incident, and for the question about it."""
        if self._incident is None:
            return partial(self._found, None, client.get(path("approvals", str(self._asked))))
        story = client.get(path("incidents", self._incident))
        questions = client.get(path("approvals"), limit=200) if story.get("ended_at") is None else {}
        return partial(self._found, story, orders.question_of(story, questions))

    def _found(self, story: dict[str, Any] | None, question: dict[str, Any] | None) -> None:
        self._story, self._question = story, question
        self.show()

    def picture(self, paint: Paint, passed: float) -> Group | None:
        """Return the whole text, or None while nothing is known."""
        shown: list[RenderableType] = []
        if self._question is not None:
            shown += _question(self._question, paint)
        if self._story is not None:
            shown += _story(self._story, paint)
        return Group(*shown) if shown else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what fits and what may be done."""
        if action in ("approve", "refuse"):
            answers = {} if self._question is None else self._question.get("answers")
            return isinstance(answers, list) and action in answers
        if action in ("acknowledge", "cancel"):
            story = self._story
            if story is None or story.get("ended_at") is not None or not self._may(START, story):
                return False
            return action == "cancel" or story.get("acknowledged_at") is None
        return super().check_action(action, parameters)

    def _may(self, permission: str, item: Json) -> bool:
        return self.dashboard.access.may(permission, (str(item.get("service")),))

    def action_acknowledge(self) -> None:
        """Say that somebody looks after it."""
        if self._story is not None:
            self.dashboard.order(orders.acknowledge(self._story))

    def action_cancel(self) -> None:
        """End it."""
        if self._story is not None:
            self.dashboard.order(orders.cancel(self._story))

    def action_approve(self) -> None:
        """Agree to the plan that is shown."""
        if self._question is not None:
            self.dashboard.order(orders.approve(self._question))

    def action_refuse(self) -> None:
        """Refuse the plan that is shown."""
        if self._question is not None:
            self.dashboard.order(orders.refuse(self._question))


def _question(item: Json, paint: Paint) -> list[RenderableType]:
    plan = part(item, "plan")
    actions, expires = plan.get("actions"), wording.clock_time(item.get("expires_at"))
    pairs: list[tuple[str, str | Text]] = [
        ("target", plain(item.get("target"))),
        ("why", plain(item.get("why"))),
        ("strategy", f"{plain(plan.get('strategy'))}, because {plain(plan.get('reason'))}"),
        *(("step", plain(action)) for action in (actions if isinstance(actions, list) else ())),
        ("asked", f"{wording.age(item.get('requested_at'))} ago; no answer until {expires} is a no"),
    ]
    heading = Text("? A plan waits for a person", style=paint.style(Tone.WARNING))
    if item.get("decision") is not None:
        heading = paint.bold(f"The plan was {plain(item.get('decision'))}")
        pairs.append(("answered", plain(item.get("decided_by"))))
    return [heading, grid(pairs, bold=True), Text("")]


def _story(item: Json, paint: Paint) -> list[RenderableType]:
    ended, taken = item.get("ended_at"), item.get("acknowledged_by")
    sentence = part(item, "impact").get("sentence")
    pairs: list[tuple[str, str | Text]] = [
        ("target", _whose(item)),
        ("state", paint.mark(mark_of(INCIDENTS, item.get("state")))),
        ("severity", severity(item, paint)),
        ("failure", plain(item.get("failure_type"))),
        ("detail", plain(item.get("detail"))),
        ("for", wording.age(item.get("declared_at")) if ended is None else f"over, {wording.age(ended)} ago"),
        ("impact", plain(sentence)),
        ("attempts", f"{wording.count(item.get('attempts'))}, {wording.count(item.get('relapses'))} relapses"),
        ("taken by", "nobody" if taken is None else plain(taken)),
    ]
    timeline = _timeline(parts(item, "timeline"), paint)
    recoveries = _recoveries(parts(item, "recoveries"), paint)
    return [
        grid(pairs, bold=True),
        Text(""),
        paint.bold("Timeline"),
        timeline,
        Text(""),
        paint.bold("Recoveries"),
        recoveries,
    ]


def _whose(item: Json) -> str:
    target, service = plain(item.get("target")), plain(item.get("service"))
    return target if service == target else f"{target} of {service}"


def _timeline(found: list[dict[str, Any]], paint: Paint) -> Table | Text:
    if not found:
        return Text("none", style=paint.style(Tone.QUIET))
    return grid(
        (wording.clock_time(event.get("at")), plain(event.get("kind")), plain(event.get("detail"))) for event in found
    )


def _recoveries(found: list[dict[str, Any]], paint: Paint) -> Table | Text:
    if not found:
        return Text("none", style=paint.style(Tone.QUIET))
    return grid(
        (
            wording.clock_time(run.get("started_at")),
            plain(run.get("status")),
            plain(run.get("strategy")),
            plain(run.get("id")),
        )
        for run in found
    )
