"""Automated recovery: how it stands, its stop switch and storm brake, and what it would do."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from ...actions.kinds import strategy_kinds
from ...control.incidents import IncidentRecord, IncidentState
from ...control.recovery_notes import Act, Note
from ...recovery.declaration import declaration, without_secrets
from ...recovery.impact import seen_by
from ...recovery.symptom import Condition
from ...security.access import Permission
from ...service.caller import Caller
from ...service.errors import ConflictError, MissingError
from ...service.plane import Answer
from ...storage.errors import StoreUnavailableError
from ...storage.transaction import Transaction
from ...watch.watcher import TargetView
from ..context import Ask, answer, json_response
from ..route import requires, resource_router
from ..schemas.automation import (
    AutomationView,
    Beat,
    DryRunRequest,
    DryRunView,
    ReloadedView,
    StrategyKindList,
    TargetList,
    TargetStory,
    TopologyView,
    kind_document,
    target_document,
)
from ..schemas.incidents import Reasoned

logger = logging.getLogger("scrollintel.recovery")
router = resource_router("automation")

TargetName = Annotated[str, Path(min_length=1, max_length=401, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Word = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


@router.get("/automation", response_model=AutomationView, summary="Show how automated recovery stands")
@requires(Permission.RECOVERY_READ)
async def show_automation(ask: Ask) -> Response:
    """Whether it watches, what stops it, and how much it does."""
    return json_response(_standing(ask))


@router.put("/automation/stop-switch", response_model=AutomationView, summary="Stop all automation")
@requires(Permission.RECOVERY_START)
async def stop_automation(body: Reasoned, ask: Ask) -> Response:
    """No recovery acts any more, those that run included, until the switch is released; works without the database."""
    _require_everywhere(ask.caller)
    automation = ask.use_cases.automation
    await asyncio.to_thread(automation.switch.stop, ask.caller.identity.id, body.reason, ask.use_cases.plane.now)
    automation.desk.look_again()
    await _noted(ask, "automation.stop", body.reason)
    return json_response(_standing(ask))


@router.delete("/automation/stop-switch", response_model=AutomationView, summary="Let automation act again")
@requires(Permission.RECOVERY_START)
async def release_stop_switch(ask: Ask) -> Response:
    """Ends the stop; works without the database."""
    _require_everywhere(ask.caller)
    automation = ask.use_cases.automation
    if await asyncio.to_thread(automation.switch.go):
        await _noted(ask, "automation.go", None)
    automation.desk.look_again()
    return json_response(_standing(ask))


@router.post("/automation/brake/release", response_model=AutomationView, summary="Release the storm brake")
@requires(Permission.RECOVERY_START)
async def release_brake(body: Reasoned, ask: Ask) -> Response:
    """Says that a person has looked at the storm and that automation may go on."""
    _require_everywhere(ask.caller)
    automation = ask.use_cases.automation

    def decide(tx: Transaction) -> Answer:
        held = automation.brake.release(tx)
        before = None if held is None else {"since": held.since.isoformat(), "why": held.why}
        tx.audit(
            ask.caller.entry(
                "automation.release_brake", "automation", "storm brake", at=tx.now, reason=body.reason, before=before
            )
        )
        ask.use_cases.plane.tell(tx, "automation.brake_released", {"by": ask.caller.identity.id})
        if held is not None:
            tx.afterwards(lambda: automation.desk.released(held.subject, ask.caller.identity.id))
        return answer(200, {**_standing(ask), "brake": None})

    return await ask.change(decide)


@router.get("/checks", response_model=TargetList, summary="List targets with what their checks found")
@requires(Permission.RECOVERY_READ)
async def list_checks(ask: Ask, service: Word = None) -> Response:
    """How every watched target stands."""
    now = ask.use_cases.plane.clock.monotonic()
    views = [
        target_document(view, now)
        for view in ask.use_cases.automation.seen_by(ask.caller)
        if service in (None, view.target.service)
    ]
    return json_response({"items": views})


@router.get("/checks/{target:path}", response_model=TargetStory, summary="Show a target")
@requires(Permission.RECOVERY_READ)
async def show_target(target: TargetName, ask: Ask) -> Response:
    """How a target stands, and how the settings file declares it; what may be a secret is hidden."""
    known, now = ask.use_cases.automation.judgement.target(target), ask.use_cases.plane.clock.monotonic()
    if known is None or not ask.caller.sees(Permission.RECOVERY_READ, known.service):
        raise MissingError("target", target)
    views = {view.target.name: view for view in ask.use_cases.automation.views()}
    shown = target_document(views.get(target, TargetView.unseen(known)), now)
    return json_response({**shown, "declaration": declaration(known)})


@router.get("/topology", response_model=TopologyView, summary="Show who depends on whom")
@requires(Permission.RECOVERY_READ)
async def show_topology(ask: Ask) -> Response:
    """Targets with their conditions, and declared and observed dependencies."""
    sees, judgement = ask.sees(Permission.RECOVERY_READ), ask.use_cases.automation.judgement
    seen = judgement.seen()
    nodes = [
        {
            "target": target.name,
            "service": target.service,
            "group": target.group,
            "tier": target.tier,
            "condition": judgement.conditions.get(target.name, Condition.UNKNOWN).value,
        }
        for target in seen.targets.values()
        if sees(target.service)
    ]
    edges = [(service, needs, kind, "declared") for service, needs, kind in seen.edges()]
    edges += [(edge.service, edge.needs, "observed", "observed") for edge in seen.observed]
    listed = [
        {"service": service, "needs": needs, "kind": kind, "source": source}
        for service, needs, kind, source in edges
        if sees(service) and sees(needs)
    ]
    return json_response({"nodes": nodes, "edges": listed})


@router.get("/strategies", response_model=StrategyKindList, summary="List kinds of strategies")
@requires(Permission.RECOVERY_READ)
async def list_strategy_kinds(ask: Ask) -> Response:
    """What a target's chain can name, what each says about itself, and what it takes."""
    return json_response({"items": [kind_document(kind) for kind in strategy_kinds().values()]})


@router.post("/heartbeats/{target:path}", status_code=204, summary="Give a sign of life")
@requires(Permission.REPLICAS_JOIN)
async def beat(target: TargetName, body: Beat, ask: Ask) -> Response:
    """A beat of a target that declares a heartbeat, with its progress when it tells of one."""
    automation = ask.use_cases.automation
    known = automation.judgement.target(target)
    is_theirs = known is not None and ask.caller.sees(Permission.REPLICAS_JOIN, known.service)
    if not is_theirs or not automation.watcher.expects_beats(target):
        raise MissingError("target that beats", target)
    automation.watcher.beat(target, body.progress)
    return Response(status_code=204)


@router.post("/automation/dry-run", response_model=DryRunView, summary="Tell what would be done about a failure")
@requires(Permission.RECOVERY_READ)
async def dry_run(body: DryRunRequest, ask: Ask) -> Response:
    """The chain that would be tried, what is left out and why, and whether it might begin now; nothing is done."""
    judgement = ask.use_cases.automation.judgement
    target = judgement.target(body.target)
    if target is None or not ask.caller.sees(Permission.RECOVERY_READ, target.service):
        raise MissingError("target", body.target)
    chain, left_out = judgement.chain(target, body.failure_type)
    verdict: dict[str, Any] = {
        "ruling": "refuse", "guard": "chain", "why": "there is no strategy", "seconds": 0.0, "inputs": {},
    }  # fmt: skip
    sees = ask.sees(Permission.RECOVERY_READ)
    impact = seen_by(judgement.impact(target), target.name, sees)
    way = judgement.way_to_root(target)
    if chain:
        imagined = _imagined(target.name, target.service, body.failure_type, ask)
        found, inputs = judgement.may_begin(target, imagined, chain[0])
        verdict = {
            "ruling": found.ruling.value, "guard": found.guard, "why": found.why, "seconds": found.seconds,
            "inputs": inputs,
        }  # fmt: skip
    return json_response(
        {
            "target": target.name,
            "failure_type": body.failure_type,
            "chain": [without_secrets(remedy) for remedy in chain],
            "left_out": dict(left_out),
            "held_by": next((service for service in reversed(way) if sees(service)), way[0] if way else None),
            "verdict": verdict,
            "impact": impact,
        }
    )


@router.post("/configuration-file/reload", response_model=ReloadedView, summary="Read the settings file anew")
@requires(Permission.CONFIGURATION_WRITE)
async def reload_file(ask: Ask) -> Response:
    """Takes the settings file over as a whole, or not at all."""
    _require_everywhere(ask.caller, Permission.CONFIGURATION_WRITE)
    if ask.use_cases.reload is None:
        raise ConflictError("this control plane was not started from a settings file")
    found = await ask.use_cases.reload()
    await _noted(ask, "configuration-file.reload", None)
    return json_response({"applied": True, "targets": found.targets, "needs_restart": list(found.needs_restart)})


def _standing(ask: Ask) -> dict[str, Any]:  # Any: JSON values
    automation = ask.use_cases.automation
    stopped, brake = automation.switch.stopped(), automation.brake.engaged()
    return {
        "watching": bool(automation.config.targets) and automation.is_watching,
        "targets": len(automation.config.targets),
        "engine": automation.engine.state,
        "durable": automation.engine.is_durable,
        "stopped": None if stopped is None else {"by": stopped.by, "since": stopped.since, "reason": stopped.reason},
        "brake": None if brake is None else {"since": brake.since, "why": brake.why, "subject": brake.subject},
        "running": len(automation.engine.running()),
        "max_running": automation.judgement.rules.max_running,
        "journalled": automation.keeper.waiting,
        "doubts": automation.watcher.doubts,
    }


def _require_everywhere(caller: Caller, permission: Permission = Permission.RECOVERY_START) -> None:
    """Raise AccessDeniedError unless the caller may do this for all services: it concerns all of them."""
    caller.require_for_new(permission, None)


async def _noted(ask: Ask, action: str, reason: str | None) -> None:
    """Write what has been done to the audit log; without the database to the journal, from where it goes there."""
    plane, actor = ask.use_cases.plane, ask.caller.identity.id

    def decide(tx: Transaction) -> None:
        tx.audit(ask.caller.entry(action, "automation", "all", at=tx.now, reason=reason))
        plane.tell(tx, action, {"by": actor, "reason": reason})

    try:
        await plane.change(decide, urgent=True)
    except StoreUnavailableError:
        act = Act(
            action=action, target_kind="automation", target="all", service=None, reason=reason, actor=actor,
            request_id=ask.caller.request_id, after={"journalled_at": plane.now.isoformat()},
        )  # fmt: skip
        fact = (action, {"by": actor, "reason": reason}, None)
        try:
            await asyncio.to_thread(ask.use_cases.automation.keeper.save, Note(acts=(act,), facts=(fact,)))
        except StoreUnavailableError as error:  # it holds all the same, and its file says who has done it
            logger.error("%s by %s cannot be written down: %s", action, actor, error)


def _imagined(target: str, service: str, failure_type: str, ask: Ask) -> IncidentRecord:
    now: datetime = ask.use_cases.plane.now.astimezone(UTC)
    return IncidentRecord(
        id="inc_dry_run", target=target, service=service, group=None, failure_type=failure_type,
        state=IncidentState.OPEN, severity=4, root=None, attempts=0, relapses=0, recovery=None, detected_at=now,
        declared_at=now,
    )  # fmt: skip
