"""Chains of strategies by failure type, as a configuration gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.config.base import Config, InvalidValue, Rule
from ..core.config.lists import row
from ..core.errors import ConfigError, Violation

MAX_CHAINS = 50
MAX_REMEDIES = 20
FAILURE_TYPE = re.compile(r"[a-z][a-z0-9_]{0,99}")
FAILURE_TYPE_ALLOWED = "a failure type in lower case with '_', such as not_ready, or default"


def chains(remedy: type[Config]) -> dict[str, Rule]:
    """Accept a mapping of failure types to lists of remedies; a text stands for a remedy of that kind.

    An empty list says that nothing is tried.
    """
    listed = row(remedy, maximum=MAX_REMEDIES, shorthand=lambda kind: {"kind": kind})

    def convert(value: object) -> dict[str, object]:
        if not isinstance(value, Mapping) or len(value) > MAX_CHAINS:
            raise InvalidValue
        found: dict[str, object] = {}
        wrong: list[Violation] = []
        for failure_type, remedies in value.items():
            if not isinstance(failure_type, str) or not FAILURE_TYPE.fullmatch(failure_type):
                wrong.append(Violation(str(failure_type), failure_type, FAILURE_TYPE_ALLOWED))
                continue
            try:
                found[failure_type] = listed.apply(remedies)
            except InvalidValue:
                wrong.append(Violation(failure_type, remedies, listed.allowed))
            except ConfigError as error:
                wrong.extend(Violation(f"{failure_type}{v.field}", v.value, v.allowed) for v in error.violations)
        if wrong:
            raise ConfigError("strategies", wrong)
        return found

    def dump(value: Mapping[str, tuple[Config, ...]]) -> dict[str, list[object]]:
        return {failure_type: [item.to_dict() for item in remedies] for failure_type, remedies in value.items()}

    schema = {
        "type": "object",
        "propertyNames": {"pattern": f"^{FAILURE_TYPE.pattern}$"},
        "additionalProperties": listed.json_schema(),
        "maxProperties": MAX_CHAINS,
    }
    words = f"a mapping of at most {MAX_CHAINS} failure types to lists of strategies"
    return {"rule": Rule(convert, words, dump=dump, schema=schema)}
