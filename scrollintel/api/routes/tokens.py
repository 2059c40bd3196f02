"""Tokens and roles: who may do what."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from ...security.access import ROLES, Permission
from ...service.plane import Answer
from ...storage.transaction import Transaction
from ..context import Ask, answer, json_response
from ..paging import decode_cursor, moment_place, page_of
from ..route import requires, resource_router
from ..schemas.access import RoleList, TokenCreate, TokenMade, TokenPage, binding_of, token_document
from ..schemas.bodies import TEXT_PATTERN, Cursor, Limit

router = resource_router("access")

TokenId = Annotated[str, Path(pattern=r"^tok_[0-9a-f]{16}$")]


@router.get("/tokens", response_model=TokenPage, summary="List API tokens")
@requires(Permission.TOKENS_READ)
async def list_tokens(ask: Ask, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Every token within the caller's scope, with its roles and last use; neither texts nor digests."""
    position = decode_cursor(cursor, (str, str))
    plane, persons = ask.use_cases.plane, ask.use_cases.persons
    page, following = page_of(
        ask.use_cases.tokens.visible(ask.caller),
        position=position,
        limit=limit,
        place=lambda record: (moment_place(record.created_at), record.id),
    )
    items = [token_document(record, persons.subject_id(record.subject), plane.now) for record in page]
    return json_response({"items": items, "next_cursor": following})


@router.post("/tokens", status_code=201, response_model=TokenMade, summary="Make an API token")
@requires(Permission.TOKENS_WRITE)
async def create_token(body: TokenCreate, ask: Ask) -> Response:
    """Make a token; its text is in this answer and nowhere else. Nobody can grant what they do not hold."""
    bindings = [binding_of(item) for item in body.bindings]
    lifetime = None if body.expires_in is None else timedelta(seconds=body.expires_in)

    def decide(tx: Transaction) -> Answer:
        minted, record = ask.use_cases.tokens.create(
            tx, ask.caller, name=body.name, bindings=bindings, subject=body.subject, lifetime=lifetime
        )
        document = token_document(record, ask.use_cases.persons.subject_id(record.subject), tx.now)
        made = answer(201, {**document, "token": minted.text}, location=ask.path_of("tokens", record.id))
        return Answer(made.status, made.body, made.headers, secret=True)

    return await ask.change(decide)


@router.delete("/tokens/{token_id}", status_code=204, summary="Revoke an API token")
@requires(Permission.TOKENS_WRITE)
async def revoke_token(
    token_id: TokenId,
    ask: Ask,
    reason: Annotated[str | None, Query(min_length=1, max_length=1000, pattern=TEXT_PATTERN)] = None,
) -> Response:
    """Revoke a token, effective at once; the last one that can administer everything stays while access is enforced."""

    def decide(tx: Transaction) -> Answer:
        ask.use_cases.tokens.revoke(tx, ask.caller, token_id, reason=reason)
        return Answer(204, b"")

    return await ask.change(decide)


@router.get("/roles", response_model=RoleList, summary="List roles")
@requires(Permission.ROLES_READ)
async def list_roles(ask: Ask) -> Response:
    """Every role with the permissions that it grants."""
    items = [{"role": role.value, "permissions": sorted(granted)} for role, granted in ROLES.items()]
    return json_response({"items": items})
