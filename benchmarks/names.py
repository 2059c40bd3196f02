"""The names under which this library's variants appear in every table."""

from __future__ import annotations

DEFAULT = "scrollintel"
NO_TIMES = "scrollintel, response times off"
WINDOWED = "scrollintel, time window and failure rate"
GOODPUT = "scrollintel, preset goodput"
IN_DICTIONARY = "scrollintel, circuits in a dictionary"
AS_BLOCK = "scrollintel, as a block"
NO_TIMES_NO_TIMEOUT = "scrollintel, response times and timeout off"
