"""How an error says which names are known, with the one that is most likely meant."""

from __future__ import annotations

from collections.abc import Collection


def one_of(known: Collection[str], given: object, what: str) -> str:
    """Return what is allowed, such as `one of the known fields: name, tier; did you mean tier?`.

    Arguments:
        known: The names, in the order in which they are listed.
        given: What was written; a near miss of a known name is named.
        what: What they are names of, in the plural.
    """
    listed = map(repr, known) if any("," in name for name in known) else known
    return f"one of the known {what}: {', '.join(listed) or 'there are none'}{hint(known, given)}"


def hint(known: Collection[str], given: object) -> str:
    """Return `; did you mean NAME?`, or nothing when no known name is near."""
    from difflib import get_close_matches

    near = get_close_matches(given, known, 1) if isinstance(given, str) else []
    return f"; did you mean {near[0]}?" if near else ""
