"""The table of attributes holds every name that the code uses, and the names of events have their places."""

from __future__ import annotations

import re
from pathlib import Path

from scrollintel.core import events
from scrollintel.telemetry.otel import attributes, call_trace

PACKAGE = Path(attributes.__file__).parent


def used() -> set[str]:
    """Return the values of the constants that the package's other files take from the module of names."""
    source = "".join(path.read_text("utf-8") for path in PACKAGE.glob("*.py") if path.name != "attributes.py")
    return {
        getattr(attributes, name) for name in re.findall(r"\bnames\.([A-Z_]+)\b", source) if not name.endswith("SPAN")
    }


def test_attributes_the_table_is_what_the_code_uses() -> None:
    """No attribute is told of that nobody sets, and none is set that is not told of."""
    listed = [one.name for one in attributes.ATTRIBUTES]
    assert len(set(listed)) == len(listed)
    assert set(listed) == used()
    assert all(name.startswith("resilience.") or name == "error.type" for name in listed)


def test_attributes_every_field_of_a_calls_events_has_one_or_says_nothing() -> None:
    """A field that the engine adds to an event is either on the span or left out on purpose."""
    about_calls = [events.StateChanged, events.WouldHaveOpened, events.CallRejected, events.CallTimedOut,
                   events.RetryScheduled, events.RetryGivenUp, events.HedgeLaunched, events.FallbackUsed,
                   events.FallbackFailed]  # fmt: skip
    fields = {name for kind in about_calls for name in kind.__slots__}
    assert fields - set(call_trace._FIELDS) == {"era", "evidence", "index", "last_failure"}
