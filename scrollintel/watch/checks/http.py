"""HTTP: status, body, latency, and the end of the certificate."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...core.config.base import Config, InvalidValue, Rule, boolean, integer, number
from ...core.errors import Violation
from ...outbound.http import request, tls_context
from ...outbound.messages import METHOD
from ...outbound.references import resolve
from ...recovery.symptom import Depth, FailureType
from ...recovery.target import Check, Target
from ..kinds import CheckKind, ProbeContext
from ..looking import Bad, LookingProbe
from ..options import matching, optional_text, text, text_map

DAY = 86_400.0


def _statuses() -> dict[str, Rule]:
    def convert(value: object) -> tuple[str, ...]:
        given = [value] if isinstance(value, int | str) and not isinstance(value, bool) else value
        if not isinstance(given, list | tuple) or not given:
            raise InvalidValue
        found = tuple(str(item) for item in given)
        if not all(re.fullmatch(r"[1-5]([0-9]{2}|xx)", item) for item in found):
            raise InvalidValue
        return found

    return {"rule": Rule(convert, 'a status such as 200, "2xx", or a list of them', dump=list)}


@dataclass(frozen=True, slots=True)
class HttpOptions(Config):
    """What an HTTP check takes.

    Arguments:
        url: What is asked for.
        method: Method of the request; default GET.
        status: Statuses that are good; default 2xx.
        contains: Text that the body has to contain, or None.
        matches: Regular expression that has to be found in the body, or None.
        headers: Further headers; `{env:NAME}` and `{file:PATH}` stand for secrets.
        max_latency: Seconds from which an answer counts as slow, or None.
        certificate_days: Days before its end from which the certificate counts as failed; None does not look.
        ca_file: Certificates to trust in place of the system's, or None.
        verify: Whether the certificate is verified; default true.
        max_body: Bytes of the body that are read; default 65,536.
    """

    url: str = field(metadata=text(maximum=8192))
    method: str = field(default="GET", metadata=matching(METHOD, "a method in capital letters"))
    status: tuple[str, ...] = field(default=("2xx",), metadata=_statuses())
    contains: str | None = field(default=None, metadata=optional_text())
    matches: str | None = field(default=None, metadata=optional_text(pattern=True))
    headers: Mapping[str, str] = field(default_factory=dict, metadata=text_map())
    max_latency: float | None = field(default=None, metadata=number(above=True, unit="seconds", optional=True))
    certificate_days: float | None = field(default=None, metadata=number(unit="days", optional=True))
    ca_file: str | None = field(default=None, metadata=optional_text())
    verify: bool = field(default=True, metadata=boolean())
    max_body: int = field(default=65_536, metadata=integer(minimum=1, maximum=16 * 1024 * 1024, unit="bytes"))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse to look at the end of a certificate that nobody verifies: it is not known then."""
        if not broken and self.certificate_days is not None and not self.verify:
            yield Violation("certificate_days", self.certificate_days, "left out, because verify is false")


class HttpProbe(LookingProbe):
    """Asks once over a fresh connection: a kept one would hide that nobody takes new ones."""

    def __init__(self, target: Target, check: Check, options: HttpOptions, context: ProbeContext) -> None:
        super().__init__(target, check)
        self._options = options
        self._policy = context.outbound
        needs_tls = options.url.startswith("https:")
        self._tls = tls_context(verify=options.verify, ca_file=options.ca_file) if needs_tls else None

    async def find(self) -> str:
        """Ask."""
        options = self._options
        answer = await request(
            options.method,
            resolve(options.url),
            policy=self._policy,
            headers={name: resolve(value) for name, value in options.headers.items()},
            timeout=self.check.timeout,
            max_body=options.max_body,
            tls=self._tls,
        )
        status = str(answer.status)
        if not any(status == wanted or (wanted[1:] == "xx" and status[0] == wanted[0]) for wanted in options.status):
            raise Bad(self.wrong, f"status {status}")
        self._check_body(answer.body.decode("utf-8", "replace"))
        self._check_certificate(answer.tls_expires_at)
        if options.max_latency is not None and answer.elapsed > options.max_latency:
            raise Bad(FailureType.SLOW, f"answered after {answer.elapsed:.3f} s, not within {options.max_latency:g} s")
        return f"status {status} after {answer.elapsed * 1000:.0f} ms"

    def _check_body(self, body: str) -> None:
        options = self._options
        if options.contains is not None and options.contains not in body:
            raise Bad(self.wrong, "the body lacks what it should contain")
        if options.matches is not None and re.search(options.matches, body) is None:
            raise Bad(self.wrong, "the body does not match")

    def _check_certificate(self, expires_at: float | None) -> None:
        days = self._options.certificate_days
        if days is None or expires_at is None:
            return
        left = (expires_at - time.time()) / DAY
        if left < days:
            raise Bad(FailureType.CERTIFICATE, f"the certificate ends in {left:.1f} days")


KIND = CheckKind(
    "http", HttpOptions, Depth.READY, "Asks over HTTP: status, body, latency, end of the certificate.", HttpProbe
)
