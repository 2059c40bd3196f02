"""An HTTP request as a repair: a fixed address, a template with declared fields only, a key against repetitions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..core.config.base import Config, InvalidValue, Rule, choice, number
from ..core.errors import Violation
from ..outbound.options import headers, http_url, line
from ..recovery.strategy import Idempotency, Observation, Plan, Step, Traits
from .kinds import StrategyContext, StrategyKind
from .remote import Interface, RemoteStrategy

FIELDS = ("target", "service", "failure_type", "key", "epoch")
MAX_TEMPLATE = 20_000
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_REFERENCE = re.compile(r"\{(env|file):")


class Method(StrEnum):
    """Methods that a webhook may use."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


def _template() -> dict[str, Rule]:
    def convert(value: object) -> str:
        if not isinstance(value, str) or len(value) > MAX_TEMPLATE or _REFERENCE.search(value):
            raise InvalidValue
        if any(found not in FIELDS for found in _FIELD.findall(value)):
            raise InvalidValue
        return value

    listed = ", ".join(f"{{{name}}}" for name in FIELDS)
    words = f"text of at most {MAX_TEMPLATE} characters with no other fields than {listed}"
    return {"rule": Rule(convert, words, optional=True, schema={"type": "string", "maxLength": MAX_TEMPLATE})}


def _statuses() -> dict[str, Rule]:
    def convert(value: object) -> tuple[int, ...]:
        if not isinstance(value, list | tuple) or not value or len(value) > 20:
            raise InvalidValue
        if not all(type(item) is int and 100 <= item <= 599 for item in value):
            raise InvalidValue
        return tuple(value)

    schema = {"type": "array", "items": {"type": "integer", "minimum": 100, "maximum": 599}}
    return {"rule": Rule(convert, "a list of 1 to 20 HTTP statuses from 100 to 599", dump=list, schema=schema)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions(Config):
    """A request that repairs.

    Arguments:
        url: Where to.
        method: Method of the request; default POST.
        headers: Further header fields; values may hold references to secrets.
        body: Template of the body, or None (default). In JSON the fields are escaped for use within quotes.
        content_type: Of the body; default application/json.
        expect: Statuses that mean success; default 200, 201, 202 and 204.
        timeout: Seconds, above 0 and at most 300; default 10.
        ca_file: Certificates to trust, or None for the system's.

    Raises:
        ConfigError: with every violation.
    """

    url: str = field(metadata=http_url())
    method: Method = field(default=Method.POST, metadata=choice(Method))
    headers: Mapping[str, str] = field(default_factory=dict, metadata=headers())
    body: str | None = field(default=None, metadata=_template())
    content_type: str = field(default="application/json", metadata=line(maximum=100))
    expect: tuple[int, ...] = field(default=(200, 201, 202, 204), metadata=_statuses())
    timeout: float = field(default=10.0, metadata=number(above=True, maximum=300.0, unit="seconds"))
    ca_file: str | None = field(default=None, metadata=line(optional=True))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse a body where none belongs."""
        if not {"method", "body"} & broken and self.method is Method.GET and self.body is not None:
            yield Violation("body", self.body, "None with GET")


class Webhook(RemoteStrategy):
    """Makes the request with the plan's key as Idempotency-Key, so that the receiver can drop repetitions."""

    def __init__(self, context: StrategyContext, options: WebhookOptions) -> None:
        super().__init__("webhook", context, TRAITS)
        self._options = options

    def plan(self, observation: Observation) -> Plan:
        """Say which request will be made."""
        options = self._options
        action = f"send {options.method.value} to {options.url.split('?')[0]}"
        failure = str(observation.facts.get("failure_type", ""))
        return self.planned(observation, action, failure_type=failure)

    def act(self, plan: Plan) -> None:
        """Make the request once."""
        options = self._options
        extra = {"Idempotency-Key": plan.key or "", "X-Scrollintel-Epoch": str(plan.epoch)}
        interface = Interface(options.url, self.context.outbound, options.headers, options.timeout, options.ca_file)
        body = None if options.body is None else self._filled(options.body, plan).encode()
        answer = interface.ask(options.method.value, "", body, kind=options.content_type, headers=extra)
        if answer.status not in options.expect:
            raise self.failed(Step.ACT, f"the receiver answered {answer.status}")

    def _filled(self, template: str, plan: Plan) -> str:
        values = {
            "target": self.context.target.name,
            "service": plan.service,
            "failure_type": str(plan.parameters.get("failure_type", "")),
            "key": plan.key or "",
            "epoch": str(plan.epoch),
        }
        as_json = "json" in self._options.content_type
        # One pass: a value that looks like a field is not replaced again.
        return _FIELD.sub(lambda found: _quoted(values[found.group(1)], as_json), template)


def _quoted(value: str, as_json: bool) -> str:
    return json.dumps(value)[1:-1] if as_json else "".join(c for c in value if c.isprintable())


TRAITS = Traits(idempotency=Idempotency.KEYED)
KIND = StrategyKind("webhook", WebhookOptions, TRAITS, "Sends an HTTP request that repairs.", Webhook)
