"""Why circuits are in their states, from which calls, and what ends that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..config.breaker import CircuitBreakerConfig, WindowKind
from ..evidence import Evidence
from ..snapshot import CircuitSnapshot
from ..states import CircuitState
from .account import Account, clock_time, count, seconds

MOST_CIRCUITS = 20
"""Circuits of keys that are told in sentences; those that changed last come first."""
_PASSES = (CircuitState.CLOSED, CircuitState.DISABLED, CircuitState.METRICS_ONLY)


def evidence_sentences(evidence: Evidence) -> Iterable[str]:
    """Tell from which calls a state came: how they ended, the classes of their errors, and when."""
    errors = Counter(call.error for call in evidence.calls if call.error is not None)
    ends = [call.at for call in evidence.calls if call.at is not None]
    if evidence.rule == "probes":
        worked = evidence.total - evidence.failures
        text = f"That was decided by {count(evidence.total, 'probe')}, of which {worked} succeeded"
    else:
        text = f"That was decided by {count(evidence.total, 'call')}: {evidence.failures} failed"
        if evidence.slow:
            text += f", {evidence.slow} were slow"
    if errors:
        listed = ", ".join(f"{name} {number} times" if number > 1 else name for name, number in errors.most_common())
        # Only the newest calls are kept; where more failed, their errors do not speak for all of them.
        newest = f"of the newest {len(evidence.calls)}: " if errors.total() < evidence.failures else ""
        text += f" ({newest}{listed})"
    if ends:
        text += f", the last at {clock_time(max(ends))}"
    yield text + "."


def explain_circuit(account: Account, view: CircuitSnapshot, config: CircuitBreakerConfig) -> None:
    """Add why a circuit is in its state and what ends that."""
    name = f"circuit {view.name!r}" if view.key is None else f"circuit {view.key!r} of {view.name!r}"
    state = view.state.value.replace("_", " ")
    reason = f": {view.reason}" if view.reason and view.reason != "created" else ""
    account.say(f"The {name} is {state} since {clock_time(view.since)}{reason}.")
    if view.evidence is not None:
        account.say(*evidence_sentences(view.evidence))
    tell = _STATES[view.state]
    tell(account, view, config)


def _closed(account: Account, view: CircuitSnapshot, config: CircuitBreakerConfig) -> None:
    if view.ramp_allowed is not None:
        account.say(f"Traffic returns step by step: {count(view.ramp_allowed, 'call')} at once may pass.")
        account.then(
            f"each success admits one call more at once, a failure halves that; at {config.ramp_limit} the ramp is over"
        )
    elif view.ramp_left is not None and config.ramp is not None:
        passing = 1.0 - (1.0 - config.ramp_start) * min(1.0, view.ramp_left / config.ramp)
        account.say(f"Traffic returns step by step: {passing:.0%} of the calls may pass now.")
        account.then(f"all may pass in {seconds(view.ramp_left)}")
    else:
        account.say("Calls pass.")
    account.say(_remembered(view, config))
    account.then(_opens(view, config))


def _ramps(view: CircuitSnapshot) -> bool:
    return view.ramp_allowed is not None or view.ramp_left is not None


def _remembered(view: CircuitSnapshot, config: CircuitBreakerConfig) -> str:
    if config.window_kind is WindowKind.CONSECUTIVE:
        return f"{count(view.consecutive_failures, 'failure')} in a row."
    unit = "calls" if config.window_kind is WindowKind.COUNT else "s"
    slow = f", {view.window_slow} were slow" if config.slow_call_duration is not None else ""
    held = count(view.window_calls, "call")
    return f"Of {held} in its window of {config.window_size:g} {unit} {view.window_failures} failed{slow}."


def _opens(view: CircuitSnapshot, config: CircuitBreakerConfig) -> str:
    if config.window_kind is WindowKind.CONSECUTIVE:
        left = max(1, config.failure_threshold - view.consecutive_failures)
        return f"it opens after {count(left, 'more failure')} in a row"
    if config.window_kind is WindowKind.COUNT_IN_TIME:
        left = max(1, config.failure_threshold - view.window_failures)
        return f"it opens after {count(left, 'more failure')} within {config.window_size:g} s"
    missing = max(0, config.minimum_calls - view.window_calls)
    when = f"once {count(missing, 'more call')} came and" if missing else "as soon as"
    slow = "" if config.slow_call_duration is None else f" or {config.slow_call_rate:.0%} are slow"
    return f"it opens {when} {config.failure_rate:.0%} of the calls fail{slow}"


def _open(account: Account, view: CircuitSnapshot, config: CircuitBreakerConfig) -> None:
    wait = 0.0 if view.retry_after is None else view.retry_after
    account.say("Calls are refused without being tried.")
    if view.openings > 1:
        account.say(f"It has opened {view.openings} times in a row without closing.")
    account.then(
        f"the next probe in {seconds(wait)}",
        f"{count(config.success_threshold, 'probe')} in a row that succeed close it; one that fails opens it again",
    )


def _half_open(account: Account, view: CircuitSnapshot, config: CircuitBreakerConfig) -> None:
    out = f"{count(view.probes_in_flight, 'probe')} in flight"
    account.say(f"Probes decide: {view.probe_successes} of {config.success_threshold} have succeeded, {out}.")
    left = max(1, config.success_threshold - view.probe_successes)
    account.then(
        f"{count(left, 'more probe')} that succeed close it; one that fails, or is not back within its lease of"
        f" {seconds(config.lease)}, opens it again"
    )


def _isolated(account: Account, view: CircuitSnapshot, config: CircuitBreakerConfig) -> None:
    account.say("Every call is refused.")
    account.then("nothing happens by itself; an operator closes or resets it")


def _disabled(account: Account, view: CircuitSnapshot, config: CircuitBreakerConfig) -> None:
    account.say("Every call passes, and nothing is recorded.")


def _metrics_only(account: Account, view: CircuitSnapshot, config: CircuitBreakerConfig) -> None:
    account.say(f"Every call passes; it would have opened {count(view.would_have_opened, 'time')}.")


_STATES = {
    CircuitState.CLOSED: _closed,
    CircuitState.OPEN: _open,
    CircuitState.HALF_OPEN: _half_open,
    CircuitState.ISOLATED: _isolated,
    CircuitState.DISABLED: _disabled,
    CircuitState.METRICS_ONLY: _metrics_only,
}


def explain_circuits(account: Account, views: Iterable[CircuitSnapshot], config: CircuitBreakerConfig) -> None:
    """Add the circuits of a policy: all of them, or those of keys that matter most."""
    listed = list(views)
    if not listed:
        account.say("It has no circuit yet: none of its keys has been called.")
    if len(listed) == 1:
        explain_circuit(account, listed[0], config)
        return
    states = Counter(view.state.value.replace("_", " ") for view in listed)
    if states:
        counts = ", ".join(f"{number} {state}" for state, number in states.most_common())
        account.say(f"It has {len(listed)} circuits: {counts}.")
    troubled = [view for view in listed if view.state not in _PASSES or _ramps(view)]
    for view in sorted(troubled, key=lambda view: -view.since)[:MOST_CIRCUITS]:
        explain_circuit(account, view, config)
    if len(troubled) > MOST_CIRCUITS:
        account.say(f"{len(troubled) - MOST_CIRCUITS} more are not told here; `facts` has them.")
