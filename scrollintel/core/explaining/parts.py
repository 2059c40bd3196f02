"""Why the parts of a policy beside its circuits are as they are."""

from __future__ import annotations

from typing import Any

from ..config.policy import Policy
from ..machines.budget import UNITS
from ..snapshot import PolicySnapshot
from .account import Account, clock_time, count, seconds

MOST_LIMITS = 5
"""Adaptive limits of keys that are told in sentences, the fullest first."""


def explain_parts(account: Account, policy: Policy, view: PolicySnapshot) -> None:
    """Add the queues, permits, budgets, retries and fallbacks of a policy."""
    _traffic(account, view)
    _metastability(account, policy, view)
    _bulkhead(account, policy, view)
    _rate_limit(account, policy, view)
    _limits(account, policy, view)
    _throttle(account, policy, view)
    _retries(account, policy, view)
    _fallbacks(account, policy, view)
    if view.abandoned_threads:
        account.say(f"{count(view.abandoned_threads, 'thread')} still run operations that were late.")


def _traffic(account: Account, view: PolicySnapshot) -> None:
    tally = view.tally
    if not tally.calls and not tally.rejections:
        account.say("No attempt has ended yet.")
        return
    failed = f"{tally.failures} failed"
    if tally.timeouts:
        failed += f", {tally.timeouts} of them late"
    refused = f" Refused without an attempt: {tally.rejections}." if tally.rejections else ""
    text = f"Of {count(tally.calls, 'attempt')} so far {failed}.{refused}"
    times = view.response_times
    if times.p50 is not None and times.p99 is not None:
        text += f" Half of the answers took less than {seconds(times.p50)}, 99 % less than {seconds(times.p99)}."
    account.say(text)
    if view.last_failure is not None:
        account.say(f"The last failure was {view.last_failure.type}.")


def _metastability(account: Account, policy: Policy, view: PolicySnapshot) -> None:
    config, found = policy.metastability, view.metastability
    if config is None or found is None:
        return
    reason = f": {found.reason}" if found.reason else ""
    if found.phase == "learning":
        account.say("What traffic is usual is not known yet.")
    elif found.phase == "suspected":
        account.say(f"An overload seems to keep itself alive{reason}.")
        if config.sheds:
            account.then(f"if that lasts {seconds(config.minimum_duration)} in all, {config.shed_to:.0%} of calls pass")
    elif found.phase != "normal":
        account.say(f"An overload keeps itself alive, so {found.share:.1%} of the calls pass{reason}.")
        account.then("that share grows while those that pass succeed, and is halved when few of them do")
    if found.rejections:
        account.say(f"Shed so far, so that an overload could end: {count(found.rejections, 'call')}.")


def _bulkhead(account: Account, policy: Policy, view: PolicySnapshot) -> None:
    config: Any = policy.bulkhead
    if config is None or view.running is None:
        return
    account.say(f"{view.running} of {count(config.max_concurrent, 'slot')} of the bulkhead are in use.")
    if view.waiting:
        account.say(f"{count(view.waiting, 'call')} of at most {config.max_waiting} wait for a slot.")
    if view.running >= config.max_concurrent:
        full = not config.max_waiting or (view.waiting or 0) >= config.max_waiting
        account.then("the next call is refused" if full else "the next call waits until one of the running ones ends")


def _rate_limit(account: Account, policy: Policy, view: PolicySnapshot) -> None:
    config = policy.rate_limit
    if config is None or view.permits is None:
        return
    speed = f"{config.per_second:g} a second are added, up to {config.capacity:g}"
    if view.permits >= 1.0:
        account.say(f"{int(view.permits)} permits of the rate limit are left; {speed}.")
        return
    account.say(f"The rate limit has no permit left; {speed}.")
    account.then(f"the next permit in {seconds((1.0 - view.permits) / config.per_second)}")


def _limits(account: Account, policy: Policy, view: PolicySnapshot) -> None:
    config = policy.limit
    if config is None:
        return
    fullest = sorted(view.limits, key=lambda one: (one.waiting, one.running / one.limit), reverse=True)
    for one in fullest[:MOST_LIMITS]:
        of = "" if one.key is None else f" of {one.key!r}"
        run = "runs" if one.running == 1 else "run"
        text = f"The adaptive limit{of} is {one.limit}; {count(one.running, 'attempt')} {run}"
        text += f" and {one.waiting} wait." if one.waiting else "."
        if one.baseline is not None:
            text += f" The dependency usually answers in {seconds(one.baseline)}."
        account.say(text)
        if one.limit >= config.max_limit:
            account.then(f"the adaptive limit{of} cannot grow any more, because it is at its maximum")
        elif 2 * one.running < one.limit:
            account.then(f"the adaptive limit{of} does not grow, because less than half of it is in use")
        else:
            account.then(
                f"the adaptive limit{of} grows while answers stay as fast as usual, and shrinks when they do not"
            )
    if len(fullest) > MOST_LIMITS:
        account.say(f"{len(fullest) - MOST_LIMITS} more adaptive limits are not told here; `facts` has them.")


def _throttle(account: Account, policy: Policy, view: PolicySnapshot) -> None:
    config = policy.throttle
    if config is None or view.throttled is None:
        return
    if not view.throttled:
        account.say("The throttle lets every ordinary attempt pass.")
        return
    account.say(
        f"The throttle refuses {view.throttled:.0%} of ordinary attempts, because the dependency accepted too few in "
        f"the last {config.window:g} s."
    )
    account.then(f"all are sent again once it accepts at least one of {config.multiplier:g}")


def _retries(account: Account, policy: Policy, view: PolicySnapshot) -> None:
    if policy.retry is not None and view.tally.retries:
        account.say(f"{count(view.tally.retries, 'retry').replace('retrys', 'retries')} so far.")
    if policy.hedge is not None and view.tally.hedges:
        account.say(f"{count(view.tally.hedges, 'hedge')} so far.")
    budget = None if policy.retry is None else policy.retry.budget
    if budget is None or view.budget is None:
        return
    account.say(f"The retry budget holds {view.budget:.3g} of {budget.reserve:g} tokens.")
    floor = budget.reserve * budget.threshold
    price = 0.0 if budget.deposit_on_success else budget.cost
    if view.budget > floor and view.budget >= price:
        return
    account.say("No retry may start, because the budget is spent.")
    ratio = round(budget.ratio * UNITS)
    if ratio:
        earns = "success" if budget.deposit_on_success or budget.across_layers else "call"
        held = round(view.budget * UNITS)
        # It must exceed the floor, and reach the price.
        needed = max(1, (round(floor * UNITS) - held) // ratio + 1, -((held - round(price * UNITS)) // ratio))
        earns = f"{needed} {earns}{'es' if earns == 'success' and needed > 1 else 's' if needed > 1 else ''}"
        account.then(f"about {earns} earn the next retry")


def _fallbacks(account: Account, policy: Policy, view: PolicySnapshot) -> None:
    if policy.fallback is None:
        return
    uses = view.tally.fallback_uses
    if uses:
        listed = ", ".join(f"{kind} {count(number, 'time')}" for kind, number in sorted(uses.items()))
        account.say(f"Fallbacks have answered: {listed}.")
    else:
        account.say("No fallback has answered so far.")
    for one in view.fallbacks:
        last = "" if one.last_worked is None else f", and it worked last at {clock_time(one.last_worked)}"
        agreed = "" if one.agreement is None else f", {one.agreement:.0%} of the compared answers agreed"
        ended = f"{one.worked} worked, {one.failed} failed, {one.late} were late"
        account.say(f"Fallback {one.kind!r} ran beside {count(one.runs, 'call')}: {ended}{agreed}{last}.")
        if one.cold:
            account.say(f"Fallback {one.kind!r} is cold: {one.reason}. The next outage would find it so.")
