"""One circuit in full, and what an operator can do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.binding import Binding, BindingType

from ..client import Client, path
from ..deciding import calls_of
from ..marks import CIRCUITS, Tone, mark_of
from ..output import part, parts, plain
from . import orders, wording
from .detail import DetailScreen
from .view import Paint, grid

Json = Mapping[str, Any]  # Any: JSON values
_ORDERS = {"isolate": orders.isolate, "close": orders.close, "reset": orders.reset}


class CircuitScreen(DetailScreen):
    """State, why, since, next probe, counters, response times, transitions, configuration.

    Arguments:
        circuit: Its name.
    """

    orders = ("order",)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "order('isolate')", "Isolate"),
        Binding("c", "order('close')", "Close"),
        Binding("r", "order('reset')", "Reset"),
    ]

    def __init__(self, circuit: str) -> None:
        super().__init__()
        self._circuit = circuit
        self._item: dict[str, Any] | None = None

    def look(self, client: Client) -> Callable[[], None]:
        """Ask for the circuit."""
        return partial(self._found, client.get(path("circuit-breakers", self._circuit)))

    def _found(self, item: dict[str, Any]) -> None:
        self._item = item
        self.show()

    def picture(self, paint: Paint, passed: float) -> Group | None:
        """Return the whole text, or None while nothing is known."""
        return None if self._item is None else circuit_picture(self._item, paint, passed)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what may be done."""
        if action == "order":
            return self._item is not None and self._item.get("operable") is True
        return super().check_action(action, parameters)

    def action_order(self, name: str) -> None:
        """Ask for confirmation, and have it carried out."""
        self.dashboard.order(_ORDERS[name](self._circuit))


def circuit_picture(item: Json, paint: Paint, passed: float) -> Group:
    """Return everything about a circuit.

    Arguments:
        item: The circuit as the control plane shows it.
        paint: Styles.
        passed: Seconds since the answer came.
    """
    return Group(
        _facts(item, paint, passed),
        Text(""),
        paint.bold("Latest transitions"),
        _transitions(item, paint),
        Text(""),
        paint.bold("On replicas"),
        _replicas(item, paint, passed),
        Text(""),
        paint.bold("Configuration"),
        _configuration(item),
    )


def _facts(item: Json, paint: Paint, passed: float) -> Table:
    order, failure, times = part(item, "order"), part(item, "last_failure"), part(item, "response_times")
    rows: list[tuple[str, str | Text]] = [
        ("circuit", plain(item.get("name"))),
        ("state", paint.mark(mark_of(CIRCUITS, item.get("state")))),
        ("why", plain(item.get("why"))),
        ("for", wording.age(item.get("since"))),
    ]
    if item.get("next_probe") is not None:
        wait = wording.countdown(item.get("next_probe"), passed)
        rows.append(("next probe", Text(wait, style=paint.style(Tone.WARNING))))
    if order:
        said = f"{plain(order.get('order'))} by {plain(order.get('by'))}: {plain(order.get('reason'))}"
        rows.append(("ordered", said))
    services = item.get("services")
    if isinstance(services, list) and services:
        rows.append(("services", ", ".join(map(plain, services))))
    rows.append(("calls", wording.calls(part(item, "counters"))))
    names = ("mean", "p50", "p95", "p99", "maximum")
    rows.append(("response times", "  ".join(f"{name} {wording.lasting(times.get(name))}" for name in names)))
    if failure:
        rows.append(("last failure", f"{plain(failure.get('type'))}, {wording.age(failure.get('at'))} ago"))
    return grid(rows, bold=True)


def _transitions(item: Json, paint: Paint) -> Table | Text:
    found = parts(item, "transitions")
    if not found:
        return Text("none", style=paint.style(Tone.QUIET))
    return grid(
        (
            wording.clock_time(change.get("at")),
            paint.mark(mark_of(CIRCUITS, change.get("old"))),
            Text("→ ").append_text(paint.mark(mark_of(CIRCUITS, change.get("new")))),
            "  ".join(filter(None, (plain(change.get("reason")), calls_of(change)))),
        )
        for change in found
    )


def _replicas(item: Json, paint: Paint, passed: float) -> Table | Text:
    found = parts(item, "on_replicas")
    if not found:
        return Text("none reports it", style=paint.style(Tone.QUIET))
    return grid(
        (
            paint.mark(mark_of(CIRCUITS, one.get("state"))),
            plain(one.get("service")),
            "" if one.get("key") is None else f"key {plain(one.get('key'))}",
            _heard(one, passed),
            plain(one.get("reason")),
        )
        for one in found
    )


def _heard(one: Json, passed: float) -> str:
    age = wording.lasting((wording.number(one.get("age")) or 0.0) + passed)
    return f"silent for {age}" if one.get("stale") else f"heard {age} ago"


def _configuration(item: Json) -> Table | Text:
    configured = part(item, "configured")
    if not configured:
        return Text("in the application's code only")
    changed = f"{wording.age(configured.get('changed_at'))} ago by {plain(configured.get('changed_by'))}"
    fields = part(configured, "configuration").items()
    rows = [("revision", f"{plain(configured.get('revision'))}, {changed}")]
    return grid(rows + [(plain(name), plain(value)) for name, value in fields])
