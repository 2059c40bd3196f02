"""What one replica has reported of its parts last, bounded."""

from __future__ import annotations

from collections.abc import Iterator

from ..replica.parts import PartReport

MAX_PARTS_OF_REPLICA = 5_000
"""Parts that are known of one replica; what it reports beyond them is left out."""


class HeldParts:
    """The parts of one replica, by name and there by kind and member."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[tuple[str, str | None], PartReport]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def known(self, report: PartReport) -> PartReport | None:
        """Return what is known of the part that a report is about, or None."""
        return self._by_name.get(report.name, {}).get((report.kind, report.member))

    def put(self, report: PartReport) -> None:
        """Remember a report, or forget its part when that is gone; a new one beyond the most that is kept is left."""
        here = self._by_name.get(report.name, {})
        place = (report.kind, report.member)
        if report.state is None:
            self._count -= here.pop(place, None) is not None
            if not here:
                self._by_name.pop(report.name, None)
        elif place in here or self._count < MAX_PARTS_OF_REPLICA:
            self._count += place not in here
            here[place] = report
            self._by_name[report.name] = here

    def clear(self) -> None:
        """Forget all."""
        self._by_name.clear()
        self._count = 0

    def of(self, name: str | None) -> Iterator[PartReport]:
        """Yield the parts of one policy, server or pool, or all of them."""
        for here in self._by_name.values() if name is None else (self._by_name.get(name, {}),):
            yield from here.values()
