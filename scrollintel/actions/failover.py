"""Moving the callers of an endpoint to a healthy candidate, after the old address was fenced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..core.config.base import Config, integer, name, number
from ..core.errors import PlanRefusedError, Violation
from ..outbound.options import headers, http_url, is_http_url, line, texts
from ..recovery.strategy import Idempotency, Observation, Plan, Step, Traits
from .kinds import StrategyContext, StrategyKind
from .remote import Interface, RemoteError, RemoteStrategy

_ADDRESS = r"[A-Za-z0-9_.\[\]:-]{1,300}:[0-9]{1,5}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailoverOptions(Config):
    """Where callers may go.

    Arguments:
        endpoint: Name of the endpoint.
        candidates: Addresses `host:port` in order of preference, 2 to 20, the usual one included.
        probe: Address that tells whether a candidate is healthy, with `{host}` and `{port}` of the candidate in it,
            such as `http://{host}:8008/replica`. Status 200 means that it is.
        max_lag: Largest lag that a candidate may have, in the unit of `lag_field`; None (default) asks for no lag.
        lag_field: Field of the probe's JSON answer that holds the lag; default "lag".
        successes: Good probes in a row that prove the new address, 1 to 20; default 3.
        interval: Seconds between them, 0 to 60; default 0.5.
        fence: Address that is posted to before the switch, so that the old one takes no more work: JSON with
            `endpoint`, `old`, `new`, `key`, `epoch`; it has to answer 2xx. None (default) fences nothing.
        headers: Header fields for `fence` and `probe`; values may hold references to secrets.
        timeout: Seconds for one request, above 0 and at most 60; default 3.
        ca_file: Certificates to trust, or None for the system's.

    Raises:
        ConfigError: with every violation.
    """

    endpoint: str = field(metadata=name())
    candidates: tuple[str, ...] = field(
        metadata=texts(minimum=2, maximum=20, pattern=_ADDRESS, words="a list of 2 to 20 different addresses host:port")
    )
    probe: str = field(metadata=line(maximum=1000))
    max_lag: float | None = field(default=None, metadata=number(optional=True))
    lag_field: str = field(default="lag", metadata=line(maximum=100))
    successes: int = field(default=3, metadata=integer(minimum=1, maximum=20, unit="probes"))
    interval: float = field(default=0.5, metadata=number(maximum=60.0, unit="seconds"))
    fence: str | None = field(default=None, metadata=http_url(optional=True))
    headers: Mapping[str, str] = field(default_factory=dict, metadata=headers())
    timeout: float = field(default=3.0, metadata=number(above=True, maximum=60.0, unit="seconds"))
    ca_file: str | None = field(default=None, metadata=line(optional=True))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Refuse a probe that would ask every candidate at the same place, or nowhere."""
        if "probe" not in broken and ("{host}" not in self.probe or not is_http_url(filled(self.probe, "h:1"))):
            yield Violation("probe", self.probe, "an http or https address with {host} in it")


def filled(probe: str, address: str) -> str:
    """Return the address of the probe for a candidate."""
    host, _, port = address.rpartition(":")
    return probe.replace("{host}", host).replace("{port}", port)


class Failover(RemoteStrategy):
    """Points an endpoint to the first healthy candidate; `undo` points it back when the old address is healthy."""

    def __init__(self, context: StrategyContext, options: FailoverOptions) -> None:
        super().__init__("failover", context, TRAITS)
        self._options = options

    def plan(self, observation: Observation) -> Plan:
        """Say where callers go.

        Raises:
            PlanRefusedError: when no other candidate is healthy and close enough behind.
        """
        options = self._options
        old = self.context.orders.address_of(options.endpoint) or options.candidates[0]
        reasons: list[str] = []
        for candidate in options.candidates:
            if candidate == old:
                continue
            problem = self._problem(candidate)
            if problem is None:
                actions = [f"post to {options.fence} that {old} takes no more work"] if options.fence else []
                actions.append(f"point the callers of {options.endpoint} from {old} to {candidate}")
                return self.planned(observation, *actions, old=old, new=candidate)
            reasons.append(f"{candidate} {problem}")
        raise PlanRefusedError(f"no candidate may take over: {'; '.join(reasons) or 'there is no other one'}")

    def act(self, plan: Plan) -> None:
        """Look at the candidate once more, fence the old address, and point; nothing when that has happened."""
        old, new, endpoint = plan.parameters["old"], plan.parameters["new"], self._options.endpoint
        present = self.context.orders.address_of(endpoint)
        if present == new:
            return
        if present not in (None, old):
            raise self.failed(Step.ACT, f"callers were pointed to {present} meanwhile")
        if (problem := self._problem(new)) is not None:
            raise self.failed(Step.ACT, f"{new} {problem}")
        self._fence(plan)
        self.context.orders.point(endpoint, new, plan.reason)

    def verify(self, plan: Plan) -> bool:
        """Tell whether callers are pointed there, and probes at the new address succeed in a row."""
        new: str = plan.parameters["new"]
        for done in range(self._options.successes):
            if done:
                self.context.clock.sleep(self._options.interval)
            # What has taken over is behind nobody any more, so its lag says nothing.
            if self._problem(new, lag=False) is not None:
                return False
        return self.context.orders.address_of(self._options.endpoint) == new

    def undo(self, plan: Plan) -> None:
        """Point back, when callers are at the new address and the old one is healthy."""
        old, endpoint = plan.parameters["old"], self._options.endpoint
        if self.context.orders.address_of(endpoint) != plan.parameters["new"]:
            return
        if self._options.fence is not None:
            raise self.failed(Step.UNDO, f"{old} was fenced, and a person has to let it in again")
        if (problem := self._problem(old, lag=False)) is not None:
            raise self.failed(Step.UNDO, f"{old} {problem}")
        self.context.orders.point(endpoint, old, f"taking back: {plan.reason}")

    def _problem(self, address: str, *, lag: bool = True) -> str | None:
        """Return why an address may not take over, or None."""
        options = self._options
        probe = Interface(
            filled(options.probe, address), self.context.outbound, options.headers, options.timeout, options.ca_file
        )
        try:
            answer = probe.ask("GET", "")
        except RemoteError as error:
            return f"gives {error}"
        if answer.status != 200:
            return f"answers {answer.status}"
        if not lag or options.max_lag is None:
            return None
        behind = answer.fields.get(options.lag_field)
        if isinstance(behind, bool) or not isinstance(behind, int | float):
            return "does not tell its lag"
        # Written so that a NaN is refused.
        return None if 0 <= behind <= options.max_lag else f"is {behind:g} behind, allowed are {options.max_lag:g}"

    def _fence(self, plan: Plan) -> None:
        options = self._options
        if options.fence is None:
            return
        hook = Interface(options.fence, self.context.outbound, options.headers, options.timeout, options.ca_file)
        content = {
            "endpoint": options.endpoint,
            "old": plan.parameters["old"],
            "new": plan.parameters["new"],
            "key": plan.key,
            "epoch": plan.epoch,
        }
        hook.ask("POST", "", content, headers={"Idempotency-Key": plan.key or ""}).expect("fencing")


TRAITS = Traits(failover=True, idempotency=Idempotency.GUARDED, affects="group", concurrency=1)
KIND = StrategyKind("failover", FailoverOptions, TRAITS, "Moves callers to a healthy candidate.", Failover)
