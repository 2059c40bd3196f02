"""How HTTP calls are judged: which answers are failures, which requests may be sent again, and when."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ..core.config.base import Config
from ..core.config.breaker import CircuitBreakerConfig
from ..core.config.fallback import FallbackConfig
from ..core.config.policy import Policy
from ..core.config.presets import preset_parts
from ..core.config.retry import RetryConfig
from ..core.config.timeout import TimeoutConfig
from ..core.errors import ConfigError, NotFoundError, RejectedError, Violation
from ..core.outcome import ErrorSpec
from ..core.pipeline import Pipeline
from ..core.registry import DEFAULT_REGISTRY, Registry
from .propagation import is_final

DEFAULT_NAME = "http"
ATTEMPT_TIMEOUT = 10.0
"""Seconds for one attempt, and `TOTAL_TIMEOUT` for a call with its retries: .NET's standard resilience handler."""
TOTAL_TIMEOUT = 30.0
IDEMPOTENT_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"})
"""Methods whose repetition has the effect of one request (RFC 9110, section 9.2.2)."""
IDEMPOTENCY_KEY = "Idempotency-Key"
"""Header by which a server recognises a repeated request (IETF draft "The Idempotency-Key HTTP Header Field")."""
RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that may be gone a moment later."""
CONNECTION_ERRORS: tuple[ErrorSpec, ...] = (
    ConnectionError, TimeoutError, "httpx.TransportError", "httpx2.TransportError",
    "requests.exceptions.RequestException", "urllib3.exceptions.HTTPError",
)  # fmt: skip
"""Errors that speak of the server or of the way to it, by name so that no client is imported."""
LOCAL_ERRORS: tuple[ErrorSpec, ...] = (
    "httpx.LocalProtocolError", "httpx.PoolTimeout", "httpx.UnsupportedProtocol",
    "httpx2.LocalProtocolError", "httpx2.PoolTimeout", "httpx2.UnsupportedProtocol",
    "requests.exceptions.InvalidHeader", "requests.exceptions.InvalidSchema", "requests.exceptions.InvalidURL",
    "requests.exceptions.MissingSchema", "urllib3.exceptions.LocationValueError",
)  # fmt: skip
"""Those among them that are the caller's own doing: they count for nothing and are not retried."""

C = TypeVar("C", bound=Config)


def is_failure(response: object) -> bool:
    """Tell whether a returned response counts as a failure of its server: any status of 500 to 599."""
    return 500 <= _status(response) <= 599


def is_retryable(response: object) -> bool:
    """Tell whether a returned response asks for another try; see `RETRYABLE_STATUSES`."""
    return _status(response) in RETRYABLE_STATUSES


def _status(response: object) -> int:
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else 0


def retry_after(seen: Any) -> float | None:  # Any: a response of any client, or an error
    """Return the seconds that a response (or a refusal of this library) asks to wait, or None.

    An answer that says that nobody is to try again gives -1. A date is measured against the response's own `Date`,
    so that the clocks need not agree.
    """
    if isinstance(seen, RejectedError):
        return seen.retry_after
    headers: Mapping[str, str] = getattr(seen, "headers", {})
    if is_final(headers):
        return -1.0
    text = headers.get("Retry-After")
    if text is None:
        return None
    sent = _seconds_of_date(headers.get("Date"))
    return parse_retry_after(text, time.time() if sent is None else sent)


def parse_retry_after(text: str, now: float) -> float | None:
    """Return the seconds that a `Retry-After` value means at `now` (seconds since the epoch), at least 0.

    Takes whole seconds and the three date formats of HTTP (RFC 9110, sections 10.2.3 and 5.6.7); anything else
    is ignored and gives None.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    until = _seconds_of_date(text)
    return None if until is None else max(0.0, until - now)


def _seconds_of_date(text: str | None) -> float | None:
    try:
        date = None if text is None else parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date is None:
        return None
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()


def host_key(request: Any) -> str:  # Any: a request of any client
    """Return `scheme://host:port` of a request, which has a circuit of its own; never the user or the path."""
    try:
        parts = urlsplit(str(request.url))
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "(invalid URL)"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def can_replay(request: Any) -> bool:  # Any: a request of any client
    """Tell whether the body can be sent a second time: there is none, or it is in memory as a whole."""
    if hasattr(request, "body"):
        return request.body is None or isinstance(request.body, bytes | bytearray | str)
    try:
        return request.content is not None
    except RuntimeError:  # httpx: the body is a stream that has not been read
        return False


@dataclass(frozen=True, slots=True)
class Repeatable:
    """Decides whether a request may be sent again: a method in `methods` or an `Idempotency-Key`, and a body in memory.

    Arguments:
        methods: Upper-case methods; the idempotent ones by default.
    """

    methods: frozenset[str] = IDEMPOTENT_METHODS

    def __call__(self, request: Any) -> bool:  # Any: a request of any client
        wanted = request.method.upper() in self.methods or IDEMPOTENCY_KEY in request.headers
        return wanted and can_replay(request)


_BREAKER_HOOKS: Mapping[str, object] = {
    "result_predicate": is_failure, "failure_exceptions": CONNECTION_ERRORS, "ignored_exceptions": LOCAL_ERRORS,
}  # fmt: skip
_RETRY_HOOKS: Mapping[str, object] = {
    "result_predicate": is_retryable, "retry_after": retry_after, "repeatable": Repeatable(),
    "retryable_exceptions": CONNECTION_ERRORS, "non_retryable_exceptions": LOCAL_ERRORS,
}  # fmt: skip
_FALLBACK_HOOKS: Mapping[str, object] = {"result_predicate": is_failure}


def http_policy(
    name: str = DEFAULT_NAME,
    /,
    *,
    preset: str | None = None,
    retry_methods: Iterable[str] = IDEMPOTENT_METHODS,
    **parts: Any,  # Any: the parts of a policy
) -> Policy:
    """Return a policy for HTTP calls: a circuit per host, three attempts, 10 s for each and 30 s for all.

    Arguments:
        name: Transports and adapters of the same name share their circuits.
        preset: Name of parts that need no tuning, in place of circuit and retries: "goodput", see `protect`. Time
            limits stay those of HTTP.
        retry_methods: Methods that may be sent more than once, in place of the idempotent ones.
        parts: Fields of `Policy` that replace the defaults; None leaves a part out. What HTTP needs and a given
            part does not say (predicates, `Retry-After`, the key) is filled in. A breaker without `timeout`
            beside it limits each attempt by its own `timeout`, as everywhere.

    Raises:
        ConfigError: with every violation, or when a part does not fit HTTP clients; see `complete`.
    """
    defaults: dict[str, Any] = {"breaker": CircuitBreakerConfig(name), "retry": RetryConfig()}
    if preset is not None:
        defaults = dict(preset_parts(preset, name))
    defaults["breaker"] = replace(defaults["breaker"], timeout=ATTEMPT_TIMEOUT)
    policy = Policy(name, **{**defaults, **parts})
    breaker = policy.breaker
    if "timeout" not in parts:
        attempt = ATTEMPT_TIMEOUT if breaker is None else breaker.timeout
        policy = replace(policy, timeout=TimeoutConfig(attempt, max(TOTAL_TIMEOUT, attempt or 0.0)))
    if breaker is not None and policy.limits.attempt is not None:
        # The lease of a probe follows from the breaker's own limit, so that both must agree.
        policy = replace(policy, breaker=replace(breaker, timeout=policy.limits.attempt))
    if policy.retry is not None and policy.retry.repeatable is None:
        methods = frozenset(method.upper() for method in retry_methods)
        policy = replace(policy, retry=replace(policy.retry, repeatable=Repeatable(methods)))
    return complete(policy)


def complete(policy: Policy, before: Policy | None = None) -> Policy:
    """Return `policy` with what HTTP needs wherever it says nothing: from `before`, or else the defaults.

    Raises:
        ConfigError: for hedging, worker threads and kept results: the connections of responses that lose, come
            late or are given twice would never be freed.
    """
    limits, fallback = policy.limits, policy.fallback
    violations = []
    if policy.hedge is not None:
        violations.append(Violation("hedge", policy.hedge, "None for HTTP clients"))
    if limits.in_thread:
        violations.append(Violation("timeout.in_thread", True, "False for HTTP clients, which limit their sockets"))
    if isinstance(fallback, FallbackConfig) and fallback.stale_if_error is not None:
        allowed = "None for HTTP clients, whose responses can be read once"
        violations.append(Violation("fallback.stale_if_error", fallback.stale_if_error, allowed))
    if violations:
        raise ConfigError("Policy", violations)
    changes: dict[str, Any] = {}  # Any: fields of a policy
    if policy.breaker is not None:
        changes["breaker"] = _fill(policy.breaker, None if before is None else before.breaker, _BREAKER_HOOKS)
    if policy.breaker is not None or policy.limit is not None:
        changes["key"] = policy.key or (before.key if before is not None else None) or host_key
    if policy.retry is not None:
        changes["retry"] = _fill(policy.retry, None if before is None else before.retry, _RETRY_HOOKS)
    if isinstance(fallback, FallbackConfig):
        changes["fallback"] = _fill(fallback, None, _FALLBACK_HOOKS)
    return replace(policy, **changes)


def _fill(config: C, before: C | None, hooks: Mapping[str, object]) -> C:
    """Set the fields among `hooks` that stand at their defaults."""
    defaults = {field.name: field.default for field in fields(config)}
    unset = {name: value for name, value in hooks.items() if getattr(config, name) == defaults[name]}
    return replace(config, **{n: value if before is None else getattr(before, n) for n, value in unset.items()})


def _find(name: str, registry: Registry) -> Policy:
    try:
        return registry.get(name).policy
    except NotFoundError:
        return http_policy(name)


class Protection:
    """The pipeline behind a transport or adapter; it keeps to the rules of HTTP when the policy is replaced.

    Arguments:
        policy: A policy, which is completed, or a name: the registered policy, else the default one of that name. A
            pipeline goes on under its policy as completed.
        registry: Where names are looked up.

    Raises:
        ConfigError: when it is something else; and see `complete`.
    """

    __slots__ = ("_pipeline", "_policy")

    def __init__(self, policy: Policy | Pipeline | str, registry: Registry = DEFAULT_REGISTRY) -> None:
        if isinstance(policy, Pipeline):
            policy.replace(complete(policy.policy))
            self._pipeline = policy
        elif isinstance(policy, Policy | str):
            self._pipeline = registry.pipeline(complete(_find(policy, registry) if isinstance(policy, str) else policy))
        else:
            raise ConfigError("HTTP client", [Violation("policy", policy, "a Policy, the name of one, or a Pipeline")])
        self._policy = self._pipeline.policy

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline to use for the next call."""
        pipeline = self._pipeline
        if pipeline.policy is not self._policy:
            self._adopt(pipeline.policy)
        return pipeline

    def _adopt(self, policy: Policy) -> None:
        """Complete a policy that somebody has put in force; one that does not fit is taken back."""
        try:
            self._pipeline.replace(complete(policy, self._policy))
        except ConfigError as error:
            self._pipeline.replace(self._policy)
            warnings.warn(f"the former policy stays in force: {error}", RuntimeWarning, stacklevel=2)
        self._policy = self._pipeline.policy
