"""The audit log: search, show, verify, export, checkpoints and the key that signs them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from starlette.responses import Response, StreamingResponse

from ...security.access import Permission
from ...service.errors import MissingError
from ...storage.audit_history import AuditSearch
from ..context import Ask, json_response
from ..paging import decode_cursor, encode_cursor
from ..route import requires, resource_router
from ..schemas.audit import (
    AuditPage,
    AuditShown,
    CheckpointPage,
    PublicKey,
    Since,
    Until,
    Verdict,
    Wanted,
    checkpoint_document,
    record_document,
)
from ..schemas.bodies import Cursor, Limit

router = resource_router("audit")


@router.get("/audit", response_model=AuditPage, summary="Search the audit log")
@requires(Permission.AUDIT_READ)
async def search_audit(
    ask: Ask,
    actor: Wanted = None,
    action: Wanted = None,
    target: Wanted = None,
    service: Wanted = None,
    request_id: Wanted = None,
    outcome: Annotated[Literal["allowed", "refused", "failed"] | None, Query()] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Records that match everything that is given, the newest first; that somebody reads is itself recorded."""
    position = decode_cursor(cursor, (int,))
    wanted = AuditSearch(
        actor=actor,
        action=action,
        target=target,
        service=service,
        outcome=outcome,
        request_id=request_id,
        since=since,
        until=until,
        before=None if position is None else position[0],
        limit=limit + 1,
    )
    found = await ask.use_cases.audit.search(ask.caller, wanted)
    page = found[:limit]
    following = encode_cursor([page[-1].sequence]) if len(found) > limit else None
    items = [record_document(record, ask.use_cases.persons) for record in page]
    return json_response({"items": items, "next_cursor": following})


@router.post("/audit/verify", response_model=Verdict, summary="Verify the audit log")
@requires(Permission.AUDIT_VERIFY)
async def verify_audit(ask: Ask) -> Response:
    """Read and hash every record again, and compare with the checkpoints in and outside the database."""
    return json_response((await ask.use_cases.audit.verify(ask.caller)).to_dict())


@router.get(
    "/audit/export",
    summary="Export the audit log",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
@requires(Permission.AUDIT_EXPORT)
async def export_audit(ask: Ask, since: Since = None, until: Until = None) -> Response:
    """Lines of JSON that `scrollintel audit verify` checks offline; the export is recorded before its first byte."""
    lines = await ask.use_cases.audit.export(ask.caller, since, until)
    headers = {"Content-Disposition": 'attachment; filename="audit.ndjson"'}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


@router.get("/audit/checkpoints", response_model=CheckpointPage, summary="List checkpoints of the audit log")
@requires(Permission.AUDIT_READ)
async def list_checkpoints(ask: Ask, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Signed statements of how the log stood, the newest first."""
    position = decode_cursor(cursor, (int,))
    found = await ask.use_cases.audit.checkpoints(None if position is None else position[0], limit + 1)
    page = found[:limit]
    following = encode_cursor([page[-1].checkpoint.size]) if len(found) > limit else None
    return json_response({"items": [checkpoint_document(signed) for signed in page], "next_cursor": following})


@router.get("/audit/key", response_model=PublicKey, summary="Show the public key of the audit log")
@requires(Permission.AUDIT_READ)
async def show_audit_key(ask: Ask) -> Response:
    """The key that verifies checkpoints; keep a copy where the control plane cannot change it."""
    key = ask.use_cases.checkpoints.key
    if key is None:
        raise MissingError("signing key", "audit")
    return json_response({"key_id": key.key_id, "pem": key.verifying_key.to_pem()})


@router.get("/audit/{sequence:int}", response_model=AuditShown, summary="Show a record of the audit log")
@requires(Permission.AUDIT_READ)
async def show_audit_record(sequence: Annotated[int, Path(ge=1, lt=2**53)], ask: Ask) -> Response:
    """One record in full."""
    return json_response(record_document(await ask.use_cases.audit.find(ask.caller, sequence), ask.use_cases.persons))
