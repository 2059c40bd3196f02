"""The tables of the kinds of checks and strategies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from docs.table import Table, amount, default
from scrollintel.actions.kinds import StrategyKind, strategy_kinds
from scrollintel.core.config.base import Config
from scrollintel.recovery.strategy import Traits
from scrollintel.settings.description import meanings
from scrollintel.watch.kinds import CheckKind, check_kinds

HEAD = ("Option", "Default", "Allowed")
SHIPPED = ("scrollintel.watch.", "scrollintel.actions.")


def _check_kinds() -> list[CheckKind]:
    return [kind for kind in check_kinds().values() if kind.options.__module__.startswith(SHIPPED)]


def _strategy_kinds() -> list[StrategyKind]:
    return [kind for kind in strategy_kinds().values() if kind.options.__module__.startswith(SHIPPED)]


def _checks(_: str) -> Table:
    rows = [(f"[`{kind.name}`](#{kind.name})", f"`{kind.depth.value}`") for kind in _check_kinds()]
    said = [kind.description for kind in _check_kinds()]
    return Table(("Kind", "Depth"), rows, meanings={row[0]: text for row, text in zip(rows, said, strict=True)})


def _strategies(_: str) -> Table:
    kinds = _strategy_kinds()
    rows = [(f"[`{kind.name}`](#{kind.name})", _traits(kind.traits), kind.traits.idempotency.value) for kind in kinds]
    said = [kind.description for kind in kinds]
    head = ("Kind", "Traits", "Repeated")
    return Table(head, rows, meanings={row[0]: text for row, text in zip(rows, said, strict=True)})


def _traits(traits: Traits) -> str:
    """Return what differs from a strategy that touches its target and nothing else."""
    words = [name for name in ("destructive", "restarts", "failover") if getattr(traits, name)]
    words += {"group": ["affects the group"], "nothing": ["affects nothing"]}.get(traits.affects, [])
    words += [] if traits.concurrency is None else [f"{traits.concurrency} at once"]
    words += [] if traits.cool_down is None else [f"cool-down {amount(traits.cool_down, 's')}"]
    return ", ".join(words) or "none"


def _options(kind: type[Config]) -> Table:
    said = meanings(kind)
    rows = []
    for field, facts in kind.describe().items():
        shown = "required" if facts["required"] else default(facts["default"], str(facts["unit"]))
        rows.append((f"`{field}`", shown, str(facts["allowed"]).replace("|", "\\|")))
    return Table(HEAD, rows, meanings={row[0]: said.get(row[0].strip("`"), "") for row in rows})


def _check(name: str) -> Table:
    return _options(check_kinds()[name.replace("_", "-")].options)


def _strategy(name: str) -> Table:
    return _options(strategy_kinds()[name.replace("_", "-")].options)


KINDS: dict[str, Callable[[str], Table]] = {
    "checks": _checks,
    "strategies": _strategies,
    "check": _check,
    "strategy": _strategy,
}
"""First word of a marker → what makes its table from the rest of the marker."""


def page() -> str:
    """Return the sections that every kind has, without their tables; for a page that lacks some."""
    parts = []
    for word, kinds in (("check", _check_kinds()), ("strategy", _strategy_kinds())):
        for kind in kinds:
            has = bool(dataclasses.fields(kind.options))
            marker = f"<!-- table: {word}_{kind.name.replace('-', '_')} -->\n<!-- end of table -->\n" if has else ""
            parts.append(f"### `{kind.name}`\n\n{kind.description}\n\n{marker or 'It takes no options.' + chr(10)}")
    return "\n".join(parts)
