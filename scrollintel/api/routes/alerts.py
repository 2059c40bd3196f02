"""Alerts of the platform itself, the channels through which people hear of them, and silences."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from starlette.responses import Response

from ...control.alerts import AlertName
from ...security.access import Permission
from ...service.plane import Answer
from ...storage.transaction import Transaction
from ..context import Ask, answer, json_response
from ..paging import decode_cursor, moment_place, page_of
from ..route import requires, resource_router
from ..schemas.alerts import AlertPage, SilenceCreate, SilencePage, SilenceShown, alert_document, silence_document
from ..schemas.bodies import TEXT_PATTERN, Cursor, Limit, PathName
from ..schemas.channels import ChannelList, ChannelTested, channel_document, timing_document

router = resource_router("alerts")

SilenceId = Annotated[str, Path(pattern=r"^sil_[0-9a-f]{16}$")]
Word = Annotated[str | None, Query(min_length=1, max_length=401, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


@router.get("/alerts", response_model=AlertPage, summary="List alerts")
@requires(Permission.HEALTH_READ)
async def list_alerts(
    ask: Ask,
    name: AlertName | None = None,
    service: Word = None,
    state: Literal["pending", "firing"] | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """What is pending and what fires, with what it rests on, worst first."""
    position = decode_cursor(cursor, (int, str, str))
    alerting = ask.use_cases.alerting
    found = [
        view
        for view in alerting.visible(ask.caller)
        if (name is None or view.alert.labels.name is name)
        and (service is None or view.alert.labels.service == service)
        and (state is None or (state == "firing") == (view.alert.fired is not None))
    ]
    page, following = page_of(
        found,
        position=position,
        limit=limit,
        place=lambda view: (
            view.alert.condition.severity,
            view.alert.labels.name.value,
            view.alert.labels.fingerprint,
        ),
    )
    items = [alert_document(view, alerting.rules.runbook_url) for view in page]
    return json_response({"items": items, "left_out": alerting.left_out, "next_cursor": following})


@router.get("/alerts/channels", response_model=ChannelList, summary="List channels that tell people")
@requires(Permission.HEALTH_READ)
async def list_channels(ask: Ask) -> Response:
    """How each does since the control plane started or the channel was changed, and how alerts are grouped."""
    items = [channel_document(view) for view in ask.use_cases.channels.all()]
    return json_response({"items": items, "alerting": timing_document(ask.use_cases.alerting.rules)})


@router.post("/alerts/channels/{name}/test", response_model=ChannelTested, summary="Send a test through a channel")
@requires(Permission.RECOVERY_START)
async def test_channel(name: PathName, ask: Ask) -> Response:
    """One real message, which counts like any other; what the receiver said of it is the answer.

    It needs the permission for all services. One test of a channel is sent in 10 seconds, and one at a time in all.
    """
    tested = await ask.use_cases.channels.test(ask.caller, name)
    return json_response(
        {"channel": name, "delivered": tested.delivered, "answer": tested.answer, "seconds": tested.seconds}
    )


@router.get("/silences", response_model=SilencePage, summary="List silences")
@requires(Permission.HEALTH_READ)
async def list_silences(ask: Ask, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Those that are in force; the audit log has those that have ended."""
    page, following = page_of(
        ask.use_cases.silences.visible(ask.caller),
        position=decode_cursor(cursor, (str, str)),
        limit=limit,
        place=lambda record: (moment_place(record.created_at), record.id),
    )
    return json_response({"items": [silence_document(record) for record in page], "next_cursor": following})


@router.post("/silences", status_code=201, response_model=SilenceShown, summary="Silence alerts")
@requires(Permission.RECOVERY_START)
async def add_silence(body: SilenceCreate, ask: Ask) -> Response:
    """Nobody is told of alerts that fit until then; what people know of already is still told to be over.

    One that can concern several services needs the permission for all of them.
    """

    def decide(tx: Transaction) -> Answer:
        record = ask.use_cases.silences.add(
            tx, ask.caller, matchers=body.wanted(), until=body.until, reason=body.reason
        )
        return answer(201, silence_document(record))

    return await ask.change(decide)


@router.delete("/silences/{silence}", status_code=204, summary="End a silence")
@requires(Permission.RECOVERY_START)
async def end_silence(
    silence: SilenceId,
    ask: Ask,
    reason: Annotated[str | None, Query(min_length=1, max_length=1000, pattern=TEXT_PATTERN)] = None,
) -> Response:
    """People hear of what fires from now on."""

    def decide(tx: Transaction) -> Answer:
        ask.use_cases.silences.end(tx, ask.caller, silence, reason)
        return Answer(204, b"")

    return await ask.change(decide)
