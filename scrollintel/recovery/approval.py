"""Who may agree to a plan, and to exactly which one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def plan_digest(plan: Mapping[str, Any]) -> str:  # Any: JSON values of mixed types
    """Return the SHA-256 of a plan's one JSON form, in hexadecimal: what an answer has to name."""
    text = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether an answer counts.

    Arguments:
        refused: Why it does not, or None.
        confirmed_twice: Whether a second confirmation of the same person stood in for a second person.
        needs_confirmation: Whether the same answer with a confirmation would count.
    """

    refused: str | None = None
    confirmed_twice: bool = False
    needs_confirmation: bool = False


def judge(
    *, digest: str, answered: str, requested_by: str, answered_by: str, is_open: bool, confirmed: bool, approves: bool
) -> Ruling:
    """Return whether an answer to a question counts.

    A person may not agree to what they started themselves. Where nobody has to prove who they are (`is_open`: a service
    on this machine without access control), everybody is the same person, so a second explicit confirmation stands in
    for the second person. Anybody may refuse.

    Arguments:
        digest, answered: Of the plan that was asked about, and of the one that the answer is for.
        requested_by, answered_by: Identities.
        is_open: Whether access control is off.
        confirmed: Whether the answer is confirmed explicitly.
        approves: Whether the answer is a yes.
    """
    if answered != digest:
        return Ruling("the answer is for another plan than the one that was asked about")
    if not approves:
        return Ruling()
    if is_open:
        if not confirmed:
            return Ruling("nobody is told apart here, so the answer has to be confirmed", needs_confirmation=True)
        return Ruling(confirmed_twice=True)
    if requested_by == answered_by:
        return Ruling("who has started a recovery may not agree to it; another person has to")
    return Ruling()
