"""Roles of people and groups of the identity provider: list, show, give, take away."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from ...security.access import Permission
from ...service.plane import Answer
from ...service.policies import etag, expected_revision
from ...service.role_bindings import REVISION
from ...storage.transaction import Transaction
from ..conditions import IfMatch
from ..context import Ask, answer, json_response
from ..paging import decode_cursor, moment_place, page_of
from ..route import requires, resource_router
from ..schemas.access import binding_of
from ..schemas.bodies import TEXT_PATTERN, Cursor, Limit
from ..schemas.role_bindings import RoleBindingCreate, RoleBindingPage, RoleBindingShown, document

router = resource_router("access")

BindingId = Annotated[str, Path(pattern=r"^rol_[0-9a-f]{16}$")]


@router.get("/role-bindings", response_model=RoleBindingPage, summary="List role bindings")
@requires(Permission.TOKENS_READ)
async def list_role_bindings(ask: Ask, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Every role within the caller's scope that people and groups were given here; not those of the settings file."""
    position = decode_cursor(cursor, (str, str))
    bindings = ask.use_cases.role_bindings
    page, following = page_of(
        bindings.visible(ask.caller),
        position=position,
        limit=limit,
        place=lambda record: (moment_place(record.created_at), record.id),
    )
    items = [document(record, bindings.bound(record)) for record in page]
    return json_response({"items": items, "next_cursor": following})


@router.get("/role-bindings/{binding_id}", response_model=RoleBindingShown, summary="Show a role binding")
@requires(Permission.TOKENS_READ)
async def show_role_binding(binding_id: BindingId, ask: Ask) -> Response:
    """One role of a person or group, with its entity tag."""
    bindings = ask.use_cases.role_bindings
    record = bindings.find(ask.caller, binding_id)
    return json_response(document(record, bindings.bound(record)), etag=etag(REVISION))


@router.post("/role-bindings", status_code=201, response_model=RoleBindingShown, summary="Give a role")
@requires(Permission.TOKENS_WRITE)
async def create_role_binding(body: RoleBindingCreate, ask: Ask) -> Response:
    """Give a role to a person or group, in force with their next request. Nobody can grant what they do not hold."""
    binding = binding_of(body)

    def decide(tx: Transaction) -> Answer:
        record, bound = ask.use_cases.role_bindings.create(
            tx, ask.caller, kind=body.kind, name=body.subject, binding=binding
        )
        location = ask.path_of("role-bindings", record.id)
        made = answer(201, document(record, bound), etag=etag(REVISION), location=location)
        # The answer names a person: where it is kept for the same request, it is kept sealed.
        return Answer(made.status, made.body, made.headers, secret=True)

    return await ask.change(decide)


@router.delete("/role-bindings/{binding_id}", status_code=204, summary="Take a role away")
@requires(Permission.TOKENS_WRITE)
async def delete_role_binding(
    binding_id: BindingId,
    ask: Ask,
    if_match: IfMatch = None,
    reason: Annotated[str | None, Query(min_length=1, max_length=1000, pattern=TEXT_PATTERN)] = None,
) -> Response:
    """Take a role away, effective with the next request; event streams that began under it end within 5 s."""
    expected = None if if_match is None else expected_revision(if_match)

    def decide(tx: Transaction) -> Answer:
        ask.use_cases.role_bindings.remove(tx, ask.caller, binding_id, expected=expected, reason=reason)
        return Answer(204, b"")

    return await ask.change(decide)
