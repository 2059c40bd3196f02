"""Configuration values: list, show, set, take out."""

from __future__ import annotations

from starlette.responses import Response

from ...security.access import Permission
from ...service.configuration import ValueWish
from ...service.plane import Answer
from ...service.policies import etag, expected_revision
from ...storage.transaction import Transaction
from ..conditions import IfMatch, IfNoneMatch
from ..context import Ask, answer, json_response
from ..paging import decode_cursor, page_of
from ..route import requires, resource_router
from ..schemas.bodies import Cursor, Limit, PathName
from ..schemas.configuration import ConfigurationPage, ConfigurationSet, ConfigurationShown, value_document

router = resource_router("configuration")


@router.get("/configuration", response_model=ConfigurationPage, summary="List configuration values")
@requires(Permission.CONFIGURATION_READ)
async def list_configuration(ask: Ask, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Every value by key; of secret ones a keyed hash alone."""
    position = decode_cursor(cursor, (str,))
    configuration = ask.use_cases.configuration
    page, following = page_of(configuration.all(), position=position, limit=limit, place=lambda record: (record.key,))
    items = [value_document(record, configuration.digest(record)) for record in page]
    return json_response({"items": items, "next_cursor": following})


@router.get("/configuration/{name}", response_model=ConfigurationShown, summary="Show a configuration value")
@requires(Permission.CONFIGURATION_READ)
async def show_configuration(name: PathName, ask: Ask) -> Response:
    """One value with its revision as entity tag."""
    configuration = ask.use_cases.configuration
    record = configuration.find(name)
    return json_response(value_document(record, configuration.digest(record)), etag=etag(record.revision))


@router.put("/configuration/{name}", response_model=ConfigurationShown, summary="Set a configuration value")
@requires(Permission.CONFIGURATION_WRITE)
async def set_configuration(
    name: PathName,
    body: ConfigurationSet,
    ask: Ask,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Set a value; `If-Match` names the revision that is changed, `If-None-Match: *` creates."""
    configuration = ask.use_cases.configuration
    wish = ValueWish(
        value=body.value,
        secret=body.secret,
        description=body.description,
        expected=expected_revision(if_match, if_none_match),
    )

    def decide(tx: Transaction) -> Answer:
        record = configuration.put(tx, ask.caller, name, wish)
        document = value_document(record, configuration.digest(record))
        return answer(200, document, etag=etag(record.revision))

    return await ask.change(decide)


@router.delete("/configuration/{name}", status_code=204, summary="Take out a configuration value")
@requires(Permission.CONFIGURATION_WRITE)
async def delete_configuration(name: PathName, ask: Ask, if_match: IfMatch = None) -> Response:
    """Take a value out; `If-Match` may name the revision."""
    expected = None if if_match is None else expected_revision(if_match)

    def decide(tx: Transaction) -> Answer:
        ask.use_cases.configuration.remove(tx, ask.caller, name, expected)
        return Answer(204, b"")

    return await ask.change(decide)
