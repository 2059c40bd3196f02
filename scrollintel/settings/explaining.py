"""What the settings amount to, in words: what is watched, what happens on which failure, and who has to agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..actions.kinds import strategy_kinds
from ..recovery.strategy import UNKNOWN_TRAITS
from ..recovery.symptom import Depth
from ..recovery.target import DEFAULT_CHAIN, Check, Mode, Remedy, Target
from .settings import Settings

_MEANS = {Depth.ALIVE: "lives", Depth.READY: "takes work", Depth.DEEP: "does its work right"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the settings say about one target.

    Attributes:
        target: Its name.
        location: File and line of the declaration, or None.
        watched: How it is looked at, one sentence for each way.
        failures: What happens on which failure and who has to agree, one sentence for each failure type.
        limits: How far automation may go, one sentence for each bound.
    """

    target: str
    location: str | None
    watched: tuple[str, ...]
    failures: tuple[str, ...]
    limits: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the fields as JSON values."""
        return {
            "target": self.target,
            "location": self.location,
            "watched": list(self.watched),
            "failures": list(self.failures),
            "limits": list(self.limits),
        }


def explain(settings: Settings) -> tuple[Explanation, ...]:
    """Return what the settings say about each target, in the order of the file."""
    return tuple(
        Explanation(
            target.name, target.location, tuple(_watched(target)), tuple(_failures(target)), tuple(_limits(target))
        )
        for target in settings.targets
    )


def needs_agreement(remedy: Remedy) -> bool:
    """Tell whether a person has to agree before a strategy acts."""
    if remedy.approval is not None:
        return remedy.approval
    kind = strategy_kinds().get(remedy.kind)
    traits = UNKNOWN_TRAITS if kind is None else kind.traits
    return traits.destructive or traits.failover or not traits.known


def _watched(target: Target) -> Iterator[str]:
    for check in target.checks:
        yield _check(check)
    if target.heartbeat is not None:
        stalled = target.heartbeat.progress_timeout
        yield f"It sends heartbeats and is suspected after {target.heartbeat.timeout:g} s of silence." + (
            "" if stalled is None else f" It counts as stalled after {stalled:g} s without progress."
        )
    if target.process is not None:
        yield f"Its process is {target.process.command[0]}" + (
            ", started by the control plane." if target.process.autostart else "."
        )
    if target.unit is not None:
        yield f"It is the systemd unit {target.unit}."


def _check(check: Check) -> str:
    return (
        f"{check.name} ({check.kind}) looks every {check.interval:g} s, for at most {check.timeout:g} s, whether it"
        f" {_MEANS[check.depth]}: failed after {check.failures} of {check.window} looks, healthy again after"
        f" {check.successes} good ones in a row."
    )


def _failures(target: Target) -> Iterator[str]:
    if target.mode is Mode.OBSERVE:
        yield "Nothing is repaired (mode observe): failures are recorded and told."
        return
    for failure_type, chain in sorted(target.strategies.items(), key=lambda item: item[0] == DEFAULT_CHAIN):
        on = "On any other failure" if failure_type == DEFAULT_CHAIN else f"On {failure_type}"
        steps = ", then ".join(_remedy(remedy) for remedy in chain)
        yield f"{on}: {steps}, then people are called." if chain else f"{on}: people are called."
    if DEFAULT_CHAIN not in target.strategies:
        yield "On any other failure: people are called."


def _remedy(remedy: Remedy) -> str:
    times = "" if remedy.attempts == 1 else f", up to {remedy.attempts} times"
    return f"{remedy.kind}{times} ({'a person has to agree' if needs_agreement(remedy) else 'nobody has to agree'})"


def _limits(target: Target) -> Iterator[str]:
    if target.mode is Mode.OBSERVE:
        return
    limits = target.limits
    yield (
        f"At most {limits.attempts} recoveries in one incident, {limits.cool_down:g} s apart; a failure within"
        f" {limits.relapse_window:g} s of a repair belongs to the same incident."
    )
    yield f"Health is proved by {limits.successes} good looks in a row within {limits.verify_timeout:g} s."
    if target.group is not None:
        yield (
            f"At most {limits.group_share:.0%} of the group {target.group}, or one of it, is repaired at once, and"
            " never the last healthy one."
        )
    for window in target.windows:
        days = f" ({', '.join(window.days)}; UTC)" if window.days else ""
        yield f"Nothing is repaired from {window.begins} to {window.ends}{days}."
