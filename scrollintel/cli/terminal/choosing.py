"""Which circuits are shown and in which order: the filter line and the sorted column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..marks import CIRCUITS, mark_of
from ..output import part
from .wording import moment_of, number

Json = Mapping[str, Any]  # Any: JSON values
_WORST_FIRST = {state: place for place, state in enumerate(CIRCUITS)}
_FAR = float("inf")


def _down(value: object) -> tuple[float, ...]:
    """Return a key that puts large numbers first and what is no number last."""
    found = number(value)
    return (_FAR,) if found is None else (-found,)


def _newest(item: Json) -> tuple[float, ...]:
    moment = moment_of(item.get("since"))
    return (_FAR,) if moment is None else (-moment.timestamp(),)


def _soonest(item: Json) -> tuple[float, ...]:
    found = number(item.get("next_probe"))
    return (_FAR,) if found is None else (found,)


def _counter(name: str) -> Callable[[Json], tuple[float, ...]]:
    return lambda item: _down(part(item, "counters").get(name))


def _state(item: Json) -> tuple[float, ...]:
    return (_WORST_FIRST.get(str(item.get("state")), len(_WORST_FIRST)),)


ORDERS: dict[str, Callable[[Json], tuple[Any, ...]]] = {  # Any: parts of a key to sort by
    "circuit": lambda item: (),
    "state": _state,
    "since": _newest,
    "probe": _soonest,
    "ok": _counter("successes"),
    "failed": _counter("failures"),
    "refused": _counter("rejections"),
    "p99": lambda item: _down(part(item, "response_times").get("p99")),
    "replicas": lambda item: _down(item.get("replicas")),
}
"""What the list can be sorted by; the worst, the most or the newest comes first, then the name decides."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter line and an order.

    Arguments:
        words: Each of them has to be in the name, the state or a service of a circuit. `state:open` and
            `service:orders` ask for exactly that one.
        order: Key of `ORDERS`.
        backwards: Whether the last comes first.
    """

    words: str = ""
    order: str = "state"
    backwards: bool = False

    def sorted_by(self, order: str) -> Choice:
        """Return the choice with another order; the same order again turns it round."""
        return replace(self, order=order, backwards=order == self.order and not self.backwards)

    def of(self, items: Iterable[Json]) -> list[Json]:
        """Return the items that fit, in order."""
        wanted = self.words.casefold().split()
        key = ORDERS[self.order]
        found = sorted((item for item in items if _fits(item, wanted)), key=lambda item: str(item.get("name")))
        # Backwards turns the column round and leaves names in their order.
        found.sort(key=key, reverse=self.backwards)
        if self.backwards and self.order == "circuit":
            found.reverse()
        return found


def _fits(item: Json, wanted: list[str]) -> bool:
    listed = item.get("services")
    services = [str(name).casefold() for name in listed] if isinstance(listed, list) else []
    state = str(item.get("state")).casefold()
    shown = mark_of(CIRCUITS, item.get("state")).word
    texts = [str(item.get("name")).casefold(), state, shown, *services]
    for word in wanted:
        field, colon, value = word.partition(":")
        if colon and field == "state":
            fits = state.replace("_", "").startswith(value.replace("_", "").replace("-", ""))
        elif colon and field == "service":
            fits = value in services
        else:
            fits = any(word in text for text in texts)
        if not fits:
            return False
    return True
