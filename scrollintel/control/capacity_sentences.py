"""Why a part is as it is, over all replicas of a service, in a sentence or two."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..core.context import Criticality
from ..core.explaining.account import clock_time, count, seconds
from ..core.machines.admission import LEVELS
from .capacity import KINDS, CapacityPart


def sentence_of(part: CapacityPart) -> str:
    """Return why a part is in its state; a state that only a newer version knows is told by its name."""
    if part.state in KINDS[part.kind].states:
        text = _SENTENCES[part.kind](part, part.figures, _where(part))
    else:
        text = f"It is {part.state.replace('_', ' ')}{_where(part)}{_because(part)}."
    if all(one.stale for one in part.on):
        text += " That was so when the last replica fell silent."
    return text


def _where(part: CapacityPart) -> str:
    """Return on how many replicas it is in its state; nothing when there is but one."""
    fresh = part.fresh
    total = max(len(fresh), part.among)
    return "" if total == 1 else f" on {sum(one.state == part.state for one in fresh)} of {total} replicas"


def _because(part: CapacityPart) -> str:
    reason = part.deciding.reason.strip().rstrip(".")
    return f": {reason}" if reason else ""


Figures = Mapping[str, float]


def _metastability(part: CapacityPart, found: Figures, where: str) -> str:
    state, share = part.state, found.get("share", 1.0)
    if state == "normal":
        text = "No overload keeps itself alive."
    elif state == "learning":
        text = f"What traffic is usual is not known yet{where}."
    elif state == "suspected":
        text = f"An overload seems to keep itself alive{where}{_because(part)}."
    else:
        text = f"An overload keeps itself alive{where}, so {share:.1%} of the calls pass{_because(part)}."
    shed = int(found.get("rejections", 0))
    return f"{text} Shed for that so far: {count(shed, 'call')}." if shed else text


def _fallback(part: CapacityPart, found: Figures, where: str) -> str:
    worked = int(found.get("worked", 0))
    ended = worked + int(found.get("failed", 0)) + int(found.get("late", 0))
    last = f", and worked last at {clock_time(found['last_worked'])}" if "last_worked" in found else ""
    ran = f"It worked in {worked} of {count(ended, 'run')} beside calls{last}."
    if part.state == "cold":
        text = f"It would fail when it is needed{where}{_because(part)}."
        return f"{text} {ran}" if ended else text
    return ran if ended else f"It has not run beside a call yet{last}; nothing is known against it."


def _admission(part: CapacityPart, found: Figures, where: str) -> str:
    running, limit = int(found.get("running", 0)), int(found.get("limit", 0))
    if part.state == "serving":
        text = f"Every request is let in; {running} of at most {limit} run."
    else:
        level = int(found.get("threshold", 0))
        text = f"Too many requests come, so those below level {level} of {LEVELS} are refused{where}."
    shed = [
        f"{int(number)} {one.value.replace('_', ' ')}"
        for one in reversed(Criticality)
        if (number := found.get(f"shed_{one.value}", 0))
    ]
    return f"{text} Refused so far: {', '.join(shed)}." if shed else text


def _pool(part: CapacityPart, found: Figures, where: str) -> str:
    hosts, out = int(found.get("hosts", 0)), int(found.get("ejected", 0))
    if part.state == "whole":
        return f"All of {count(hosts, 'host')} take calls."
    taken = f"{out} of {count(hosts, 'host')} {'is' if out == 1 else 'are'} taken out{where}"
    if part.state == "panics":
        return f"{taken}; so few are left that all are used."
    return f"{taken}, because they failed more than the others."


def _host(part: CapacityPart, found: Figures, where: str) -> str:
    back = found.get("returns_in", 0.0)
    returns = f"; it comes back in {seconds(max(0.0, back))}" if back > 0.0 else ""
    return f"It gets no calls{where}{_because(part)}{returns}."


def _slots(what: str, of: str) -> Callable[[CapacityPart, Figures, str], str]:
    def sentence(part: CapacityPart, found: Figures, where: str) -> str:
        running, waiting, slots = (int(found.get(name, 0)) for name in ("running", "waiting", of))
        text = f"{running} of {count(slots, 'slot')} of the {what} are in use"
        if part.state == "full":
            lines = f" and {waiting} wait" if waiting else ""
            return f"The {what} is full{where}: {running} run{lines}; further attempts wait or are refused."
        return f"{text}."

    return sentence


def _throttle(part: CapacityPart, found: Figures, where: str) -> str:
    if part.state == "passing":
        return "Every attempt is sent."
    share = found.get("share", 0.0)
    return f"{share:.0%} of ordinary attempts are not sent{where}, because the dependency accepts too few."


def _rate_limit(part: CapacityPart, found: Figures, where: str) -> str:
    if part.state == "empty":
        return f"No permit is left{where}; further attempts wait or are refused."
    of = f" of {found['capacity']:g}" if "capacity" in found else ""
    return f"{found.get('permits', 0.0):.4g}{of} permits are left."


_SENTENCES: Mapping[str, Callable[[CapacityPart, Figures, str], str]] = {
    "metastability": _metastability,
    "fallback": _fallback,
    "admission": _admission,
    "pool": _pool,
    "host": _host,
    "limit": _slots("adaptive limit", "limit"),
    "bulkhead": _slots("bulkhead", "slots"),
    "throttle": _throttle,
    "rate_limit": _rate_limit,
}


def brief_of(part: CapacityPart) -> str:
    """Return what a part that acts does, in a few words."""
    subject = _SUBJECTS[part.kind].format(name=part.name, member=part.member)
    deed, found = _DEEDS.get((part.kind, part.state)), part.figures
    if deed is None:
        return f"{subject} is {part.state.replace('_', ' ')}"
    return f"{subject} " + deed.format(
        shed=f"{100 * (1.0 - found.get('share', 1.0)):.0f} %",
        level=int(found.get("threshold", 0)),
        levels=LEVELS,
        out=int(found.get("ejected", 0)),
        hosts=int(found.get("hosts", 0)),
    )


_SUBJECTS = {
    **{kind: f"{kind.replace('_', ' ')} of {{name}}" for kind in KINDS},
    "metastability": "detector of {name}",
    "fallback": "fallback {member} of {name}",
    "admission": "server {name}",
    "pool": "pool {name}",
    "host": "host {member} of {name}",
}
_DEEDS = {
    ("metastability", "shedding"): "sheds {shed}",
    ("metastability", "releasing"): "still sheds {shed}",
    ("metastability", "suspected"): "suspects an overload that keeps itself alive",
    ("fallback", "cold"): "has not worked lately",
    ("admission", "shedding"): "refuses requests below level {level} of {levels}",
    ("pool", "reduced"): "has {out} of {hosts} hosts out",
    ("pool", "panics"): "has {out} of {hosts} hosts out, so all are used",
    ("host", "ejected"): "gets no calls",
}
