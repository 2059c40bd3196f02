"""Whether a recovery may act now: every limit, checked before each act, each refusal with its limit and the value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .selectors import is_everything
from .strategy import Traits
from .target import Limits, Mode

WAIT = 5.0
"""Seconds until a busy place is looked at again."""


class Ruling(StrEnum):
    """What a guard says."""

    GO = "go"
    WAIT = "wait"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be done.

    Arguments:
        ruling: Go, wait or refuse.
        guard: Which guard has spoken; empty when it may go.
        why: One sentence with the limit and the actual value.
        seconds: How long to wait.
        final: Whether the whole incident is left to people.
    """

    ruling: Ruling
    guard: str = ""
    why: str = ""
    seconds: float = 0.0
    final: bool = False


GO = Verdict(Ruling.GO)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """What wants to act.

    Arguments:
        target, group: On what; the group is None when nothing stands in for it.
        mode: Of the target.
        limits: Of the target.
        traits: Of the strategy.
        kind: Name of the strategy.
        automatic: Whether automation wants it; False for a person.
        beginning: Whether a recovery is to begin; False for a step of one that runs.
        acting: Whether the effect follows at once.
    """

    target: str
    group: str | None
    mode: Mode
    limits: Limits
    traits: Traits
    kind: str
    automatic: bool = True
    beginning: bool = False
    acting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyState:
    """How everything stands, as plain data; times are ages in seconds, None for never.

    Arguments:
        stopped: Why all automation is stopped, or None.
        braked: Why the storm brake holds, or None.
        window: The maintenance window or freeze that holds, or None.
        attempts: Recoveries of this incident, this one included once it has begun.
        since_recovery: Since the last recovery of the target ended.
        since_failover: Since the last failover of the target ended.
        since_kind: Since this strategy was used on the target last.
        running_here: Whether another recovery runs on the target; for one that runs, only those before it count, here
            and below, so that two never wait for each other.
        running: Recoveries that run, this one not included.
        max_running: How many may run at once.
        running_kind: Recoveries that use this strategy now, this one not included.
        group_size: Targets of the group.
        group_busy: Other targets of the group that are being repaired.
        group_healthy: Other targets of the group that are healthy.
        healthy_here: Whether the target itself is healthy.
        stale: Why the reason for the recovery does not hold any more, or None.
    """

    stopped: str | None = None
    braked: str | None = None
    window: str | None = None
    attempts: int = 0
    since_recovery: float | None = None
    since_failover: float | None = None
    since_kind: float | None = None
    running_here: bool = False
    running: int = 0
    max_running: int = 5
    running_kind: int = 0
    group_size: int = 1
    group_busy: int = 0
    group_healthy: int = 0
    healthy_here: bool = False
    stale: str | None = None


def decide(request: ActionRequest, state: SafetyState) -> Verdict:
    """Return whether a recovery may act. The guards are asked in a fixed order; the first that objects is heard.

    A person's request passes the guards that hold automation back (mode, brake, attempts, cool-downs, windows); the
    stop switch, concurrency and the shape of a group hold for everybody.
    """
    for guard in (_everybody, _automation, _pace, _group):
        verdict = guard(request, state)
        if verdict.ruling is not Ruling.GO:
            return verdict
    return GO


def _everybody(request: ActionRequest, state: SafetyState) -> Verdict:
    if is_everything(request.target):
        return _refuse("selector", f"{request.target!r} names no single target", final=True)
    if state.stopped is not None:
        return _refuse("stop_switch", f"all automation is stopped {state.stopped}")
    if state.stale is not None:
        return _refuse("precondition", state.stale, final=True)
    return GO


def _automation(request: ActionRequest, state: SafetyState) -> Verdict:
    if not request.automatic:
        return GO
    if request.mode is Mode.OBSERVE:
        return _refuse("mode", "the target is only observed")
    if state.braked is not None:
        return _refuse("storm_brake", f"the storm brake holds until a person releases it: {state.braked}")
    if state.window is not None:
        return Verdict(Ruling.WAIT, "window", state.window, WAIT)
    if request.beginning and state.attempts >= request.limits.attempts:
        why = f"{state.attempts} recoveries did not keep it up, {request.limits.attempts} are the limit"
        return _refuse("attempts", why, final=True)
    return GO


def _pace(request: ActionRequest, state: SafetyState) -> Verdict:
    limits = request.limits
    if request.automatic and request.beginning:
        wait = _left(limits.cool_down, state.since_recovery)
        if wait > 0.0:
            return Verdict(
                Ruling.WAIT, "cool_down", f"cool-down of {limits.cool_down:g} s since the last recovery", wait
            )
    if request.automatic and request.traits.failover and _left(limits.failover_cool_down, state.since_failover) > 0.0:
        why = f"the last failover was {state.since_failover:.0f} s ago, {limits.failover_cool_down:g} s have to pass"
        return _refuse("failover_cool_down", why)
    own = request.traits.cool_down
    if request.automatic and own is not None and _left(own, state.since_kind) > 0.0:
        return _refuse("strategy_cool_down", f"{request.kind} rests for {own:g} s between two uses on one target")
    if state.running_here:
        return Verdict(Ruling.WAIT, "one_per_target", "the target is being recovered already", WAIT)
    if state.running >= state.max_running:
        why = f"{state.running} recoveries run, {state.max_running} may at once"
        return Verdict(Ruling.WAIT, "max_running", why, WAIT)
    most = request.traits.concurrency
    if most is not None and state.running_kind >= most:
        return Verdict(
            Ruling.WAIT, "strategy_concurrency", f"{request.kind} runs {state.running_kind} times already", WAIT
        )
    return GO


def _group(request: ActionRequest, state: SafetyState) -> Verdict:
    """Keep a group serving: at most a share of it, or one, is touched at once."""
    if request.group is None or request.traits.affects == "nothing":
        return GO
    allowed = max(1, int(state.group_size * request.limits.group_share))
    if state.group_busy + 1 > allowed:
        why = f"{state.group_busy} of {state.group_size} replicas are under repair, {allowed} may be at once"
        return Verdict(Ruling.WAIT, "group_share", why, WAIT)
    if request.traits.affects == "group" and state.group_size > 1 and state.group_healthy > 0:
        return _refuse("last_healthy", f"{request.kind} touches the whole group, of which replicas still serve")
    if state.healthy_here and state.group_size > 1 and state.group_healthy == 0 and _takes_down(request.traits):
        return _refuse("last_healthy", f"of {state.group_size} replicas this one alone serves")
    return GO


def _takes_down(traits: Traits) -> bool:
    return traits.restarts or traits.destructive or traits.failover


def _left(period: float, age: float | None) -> float:
    return 0.0 if age is None else max(0.0, period - age)


def _refuse(guard: str, why: str, *, final: bool = False) -> Verdict:
    return Verdict(Ruling.REFUSE, guard, why, final=final)


def approval_needed(traits: Traits, waived: bool | None, automatic: bool) -> str | None:
    """Return why a person has to agree to a strategy; None when nobody has to.

    Arguments:
        waived: What the target's chain says: True always asks, False waives asking about a strategy that is not known
            but neither destroys nor fails over, None says nothing.
        automatic: Whether automation wants it.
    """
    if waived is True:
        return "the target's chain asks for it"
    if traits.destructive:
        return "it may lose data or work"
    if traits.failover:
        return "it moves work to another place"
    if not traits.known and waived is not False:
        return "it does not ship with the product, and nothing is known about it"
    return None
