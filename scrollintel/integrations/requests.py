"""Protection for sessions of `requests`: `session("payments").get(...)`, or an adapter to mount."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Timeout

from ..core.call import remaining
from ..core.config.policy import Policy
from ..core.pipeline import Pipeline
from ..core.registry import DEFAULT_REGISTRY, Registry
from .http_errors import ClientErrors
from .http_exchange import Exchange, is_small, may_be_retried, shorter
from .http_policy import DEFAULT_NAME, Protection
from .propagation import note_final
from .trace_headers import Propagate, carried_by, with_trace

ERRORS = ClientErrors(
    __name__, refused=requests.ConnectionError, late=requests.Timeout, blank={"request": None, "response": None}
)
globals().update(ERRORS.classes)  # by which pickle finds them

Limits = None | float | tuple[float | None, float | None] | Timeout


def limited(own: Limits, left: float | None) -> Limits:
    """Return a request's own limits, capped by the seconds left to connect and receive the head of the answer."""
    if left is None:
        return own
    if isinstance(own, Timeout):
        limits = own.clone()
    else:
        connect, read = own if isinstance(own, tuple) else (own, own)
        limits = Timeout(connect=connect, read=read)
    limits.total = shorter(limits.total if isinstance(limits.total, int | float) else None, left)
    return limits


class ResilientAdapter(HTTPAdapter):
    """An adapter that sends every request under a policy.

    Arguments:
        policy: A `Policy`, the name of one, or a pipeline; see `http_policy`.
        registry: Where names are looked up; the process-wide one by default.
        propagate: Whether requests tell their server the time left, their criticality and who retries, see
            `propagation`; or a function of the request that says so. False by default: the same client may speak to
            strangers, whom none of this concerns.
        options: What `HTTPAdapter` takes. Its `max_retries` should stay 0, because they would multiply.

    Raises:
        ConfigError: when the policy does not fit HTTP clients.
    """

    def __init__(
        self,
        policy: Policy | Pipeline | str = DEFAULT_NAME,
        *,
        registry: Registry = DEFAULT_REGISTRY,
        propagate: Propagate = False,
        **options: Any,
    ) -> None:
        self._propagate = propagate
        self._protection = Protection(policy, registry)
        super().__init__(**options)

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline behind this adapter, for its circuits and snapshots."""
        return self._protection.pipeline

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,  # Any: every form of time limits that requests knows
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request as often as the policy says and return the last response.

        Raises:
            RejectedError: as a `requests.ConnectionError`, when the request was not sent.
            Exception: what `HTTPAdapter.send` raised last.
        """
        pipeline = self._protection.pipeline
        policy = pipeline.policy
        plain = super().send
        traces = carried_by(request, self._propagate)

        def send_once(request: requests.PreparedRequest) -> requests.Response:
            attempt = copy(request)  # the same may be sent more than once at a time, by a hedge around it
            attempt.headers = with_trace(request.headers, traces)
            limits: Any = limited(timeout, remaining())
            try:
                response = plain(attempt, stream=stream, timeout=limits, verify=verify, cert=cert, proxies=proxies)
            except requests.RequestException as error:
                error.request = request
                raise
            response.request = request
            note_final(response, response.headers)
            if not stream and may_be_retried(policy, response) and is_small(response):
                self._read(response)
            return response

        response: requests.Response = Exchange(send_once, ERRORS).run(pipeline, request)
        return response

    @staticmethod
    def _read(response: requests.Response) -> None:
        try:
            _ = response.content
        except BaseException:
            response.close()
            raise

    def __getstate__(self) -> dict[str, Any]:  # Any: what pickle keeps
        kept: Any = super().__getstate__()
        return {**kept, "policy": self.pipeline.policy, "propagate": self._propagate}

    def __setstate__(self, state: dict[str, Any]) -> None:
        base: Any = super()
        base.__setstate__({name: value for name, value in state.items() if name not in ("policy", "propagate")})
        self._propagate = state["propagate"]
        self._protection = Protection(state["policy"])


def session(policy: Policy | Pipeline | str = DEFAULT_NAME, **options: Any) -> requests.Session:
    """Return a session whose requests to every host go through one `ResilientAdapter`; takes the same arguments."""
    protected = requests.Session()
    adapter = ResilientAdapter(policy, **options)
    protected.mount("https://", adapter)
    protected.mount("http://", adapter)
    return protected
