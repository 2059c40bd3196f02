"""Policies with revisions: list, show, put, delete, history, diff, roll back."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from ...control.records import POLICIES
from ...core.config.policy import Policy
from ...security.access import Permission
from ...service.errors import ConflictError, MissingError, NameDiffersError
from ...service.plane import Answer
from ...service.policies import ANY_REVISION, Wish, changes_between, etag, expected_revision
from ...storage.policy_history import Revision, revision, revisions
from ...storage.transaction import Transaction
from ..conditions import IfMatch, IfNoneMatch
from ..context import Ask, answer, json_response
from ..paging import decode_cursor, encode_cursor, page_of
from ..route import requires, resource_router
from ..schemas.bodies import Cursor, Limit, PathName
from ..schemas.policies import (
    DiffView,
    PolicyPage,
    PolicyPut,
    PolicyView,
    RevisionPage,
    RevisionView,
    Rollback,
    difference_document,
    document,
    revision_document,
    running_on,
)

router = resource_router("policies")

Number = Annotated[int, Path(ge=1, lt=2**53)]
Revisions = Annotated[int | None, Query(ge=1, lt=2**53)]


@router.get("/policies", response_model=PolicyPage, summary="List policies")
@requires(Permission.POLICIES_READ)
async def list_policies(
    ask: Ask,
    service: Annotated[str | None, Query(max_length=200, description="only those of this service")] = None,
    search: Annotated[str | None, Query(max_length=200, description="part of the name")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Every policy in force, and how many replicas run its revision."""
    position = decode_cursor(cursor, (str,))

    def render() -> Answer:
        found = ask.use_cases.policies.visible(ask.caller)
        if service is not None:
            found = [record for record in found if record.service == service]
        if search:
            found = [record for record in found if search.casefold() in record.name.casefold()]
        page, following = page_of(found, position=position, limit=limit, place=lambda record: (record.name,))
        fleet = ask.use_cases.plane.fleet
        items = [document(record, running_on(fleet, record)) for record in page]
        return answer(200, {"items": items, "next_cursor": following})

    return ask.rendered(render, Permission.POLICIES_READ)


@router.get("/policies/{name}", response_model=PolicyView, summary="Show a policy")
@requires(Permission.POLICIES_READ)
async def show_policy(name: PathName, ask: Ask) -> Response:
    """One policy in force."""

    def render() -> Answer:
        record = ask.use_cases.policies.find(ask.caller, name)
        running = running_on(ask.use_cases.plane.fleet, record)
        return answer(200, document(record, running), etag=etag(record.revision))

    return ask.rendered(render, Permission.POLICIES_READ)


@router.put("/policies/{name}", response_model=PolicyView, summary="Put a policy in force")
@requires(Permission.POLICIES_WRITE)
async def put_policy(
    name: PathName, body: PolicyPut, ask: Ask, if_match: IfMatch = None, if_none_match: IfNoneMatch = None
) -> Response:
    """`If-Match` names the revision that is changed; `If-None-Match: *` creates."""
    expected = expected_revision(if_match, if_none_match)
    if body.policy.name != name:
        raise NameDiffersError("policy", body.policy.name, name)
    wish = Wish(content=body.policy, service=body.service, reason=body.reason, expected=expected)

    def decide(tx: Transaction) -> Answer:
        record = ask.use_cases.policies.put(tx, ask.caller, wish)
        return answer(200, document(record), etag=etag(record.revision))

    return await ask.change(decide)


@router.delete("/policies/{name}", status_code=204, summary="Take a policy out of force")
@requires(Permission.POLICIES_WRITE)
async def delete_policy(
    name: PathName,
    ask: Ask,
    reason: Annotated[str | None, Query(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")] = None,
    if_match: IfMatch = None,
) -> Response:
    """Replicas go back to what their code says."""
    expected = None if if_match is None else expected_revision(if_match)

    def decide(tx: Transaction) -> Answer:
        ask.use_cases.policies.remove(tx, ask.caller, name, reason=reason, expected=expected)
        return Answer(204, b"")

    return await ask.change(decide)


async def _read_revision(ask: Ask, name: str, number: int) -> Revision:
    """Return a revision that the caller may see, of a policy that may be gone."""

    def query() -> Revision | None:
        with ask.use_cases.plane.database.reader() as connection:
            return revision(connection, name, number)

    found = await asyncio.to_thread(query)
    if found is None or not ask.caller.sees(Permission.POLICIES_READ, found.service):
        raise MissingError("revision", f"{name} {number}")
    return found


@router.get("/policies/{name}/revisions", response_model=RevisionPage, summary="History of a policy")
@requires(Permission.POLICIES_READ)
async def list_revisions(name: PathName, ask: Ask, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Every revision, newest first; a policy that is gone keeps its history."""
    position = decode_cursor(cursor, (int,))

    def query() -> list[Revision]:
        with ask.use_cases.plane.database.reader() as connection:
            return revisions(connection, name, before=None if position is None else position[0], limit=limit + 1)

    everything = await asyncio.to_thread(query)
    found = [item for item in everything if ask.caller.sees(Permission.POLICIES_READ, item.service)]
    if not found and position is None:
        raise MissingError("policy", name)
    following = encode_cursor([everything[limit - 1].revision]) if len(everything) > limit else None
    return json_response({"items": [revision_document(item) for item in found[:limit]], "next_cursor": following})


@router.get("/policies/{name}/revisions/{number}", response_model=RevisionView, summary="One revision of a policy")
@requires(Permission.POLICIES_READ)
async def show_revision(name: PathName, number: Number, ask: Ask) -> Response:
    """One revision, as it was."""
    return json_response(revision_document(await _read_revision(ask, name, number)))


@router.get("/policies/{name}/diff", response_model=DiffView, summary="What differs between two revisions")
@requires(Permission.POLICIES_READ)
async def diff_policy(
    name: PathName,
    ask: Ask,
    old: Annotated[int, Query(ge=1, lt=2**53, alias="from", description="older revision")],
    new: Annotated[int, Query(ge=1, lt=2**53, alias="to", description="newer revision")],
) -> Response:
    """Field by field."""
    before, after = await _read_revision(ask, name, old), await _read_revision(ask, name, new)
    found = changes_between(before.content, after.content)
    return json_response(
        {
            "name": name,
            "old_revision": old,
            "new_revision": new,
            "differences": [difference_document(difference) for difference in found],
        }
    )


@router.post("/policies/{name}/rollback", response_model=PolicyView, summary="Go back to a revision")
@requires(Permission.POLICIES_WRITE)
async def roll_back(name: PathName, body: Rollback, ask: Ask) -> Response:
    """A new revision with the content of an old one; brings a policy back that was removed."""
    found = await _read_revision(ask, name, body.revision)
    if found.content is None:
        raise ConflictError(f"revision {body.revision} removed the policy; there is nothing to go back to")
    reason = body.reason or f"rolled back to revision {body.revision}"
    exists = ask.use_cases.plane.records.get(POLICIES, name) is not None
    wish = Wish(
        content=Policy.from_dict(found.content),
        service=found.service,
        reason=reason,
        expected=ANY_REVISION if exists else None,
    )

    def decide(tx: Transaction) -> Answer:
        record = ask.use_cases.policies.put(tx, ask.caller, wish, action="roll_back")
        return answer(200, document(record), etag=etag(record.revision))

    return await ask.change(decide)
