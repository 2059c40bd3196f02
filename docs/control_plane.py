"""The tables of the control plane's pages: settings, routes, roles, database; see `docs/tables.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import CodeType, FunctionType
from typing import Any

import sqlalchemy
from fastapi.routing import APIRoute

from docs.table import Row, Table, amount, default
from scrollintel.api.context import PREFIX
from scrollintel.api.problems import TITLES
from scrollintel.api.route import PERMISSION, Anybody
from scrollintel.api.routes.fault_tolerance_routes import router
from scrollintel.models import fault_tolerance_models
from scrollintel.models.base import JsonDocument, UtcDateTime
from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.security.access import ROLES, Permission, Role
from scrollintel.service.errors import RequestError
from scrollintel.settings import describe
from scrollintel.storage.errors import StandbyError, StoreFullError, StoreUnavailableError
from scrollintel.storage.retention import RetentionPolicy, expire
from scrollintel.storage.rollup import SERIES

NOTHING = "–"
DAY = 86_400.0


# ------------------------------------------------------------------ settings


def settings_tables() -> list[str]:
    """Return the names of the tables of `scrollintel.toml` that hold settings."""
    return list(dict.fromkeys(setting.table for setting in describe()))


def _settings(table: str) -> Table:
    listed = [setting for setting in describe() if setting.table == table]
    shared = Counter(setting.meaning for setting in listed)
    rows = []
    for setting in listed:
        value = "left out" if setting.default is None else default(setting.default, setting.unit)
        if setting.unit == "seconds" and setting.default >= DAY:
            value += f" ({amount(setting.default / DAY, 'days')})"
        allowed = setting.allowed.removesuffix(" or None").replace("|", "or")
        rows.append((f"`{setting.key}`", f"`{setting.variable}`", allowed, value))
    # What a docstring says of several settings together is said apart on the page, by hand.
    meanings = {f"`{setting.key}`": setting.meaning for setting in listed if shared[setting.meaning] == 1}
    return Table(("Key", "Variable", "Allowed", "Default"), rows, meanings=meanings)


# ------------------------------------------------------------------ errors


def _problems(_: str) -> Table:
    """Return the codes of problem documents: those of every refusal that is a class, and those of a status alone."""
    found: dict[str, tuple[int, str]] = {}
    classes: list[type[RequestError]] = [RequestError]
    while classes:
        refusal = classes.pop()
        classes += refusal.__subclasses__()
        if refusal.__module__.startswith("scrollintel."):
            found[refusal.code] = (refusal.status, _sentence(refusal))
    for kind in (StoreUnavailableError, StoreFullError, StandbyError):
        found[kind.code] = (503, _sentence(kind))
    for status, (code, title) in TITLES.items():
        found.setdefault(code, (status, f"{title}."))
    found["invalid_request"] = (400, "The request cannot be read.")
    ordered = sorted(found.items(), key=lambda item: (item[1][0], item[0]))
    return Table(
        ("Status", "Code", "Tells"), [(str(s), f"`{code}`", text) for code, (s, text) in ordered], described=False
    )


def _sentence(kind: type[Exception]) -> str:
    """Return the first paragraph of a class's docstring."""
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())


# ------------------------------------------------------------------ routes


def routes() -> list[APIRoute]:
    """Return every route of the API, in the order in which they are tried."""
    return [route for route in router.routes if isinstance(route, APIRoute)]


def marker(tag: str) -> str:
    """Return the name of the table of the routes with a tag."""
    return f"routes_{tag.replace(' ', '_')}"


def _routes(tag: str) -> Table:
    rows = []
    for route in routes():
        if str(route.tags[0]).replace(" ", "_") == tag:
            method = min(route.methods or ())
            path = f"`{method} {route.path.removeprefix(PREFIX)}`"
            permission: Permission | Anybody = getattr(route.endpoint, PERMISSION)
            needed = "none" if permission is Anybody.MAY_ASK else f"`{permission.value}`"
            rows.append((path, needed, _again(route, method), route.summary or ""))
    return Table(("Route", "Permission", "Sent again", "Does"), rows, described=False)


def _again(route: APIRoute, method: str) -> str:
    """Return what keeps a request from having its effect twice."""
    if method == "GET":
        return "reads"
    if any(parameter.alias.lower() == "if-match" for parameter in route.dependant.header_params):
        return "`If-Match`"
    if method == "POST":
        return "`Idempotency-Key`" if _changes(route.endpoint) else "runs again"
    return "same result"


def _changes(function: Callable[..., Any]) -> bool:
    """Tell whether a function of the API, or one of the API that it names, asks for `RequestContext.change`."""
    assert isinstance(function, FunctionType)
    names = set(_names(function.__code__))
    named = [function.__globals__.get(name) for name in names]
    own = [item for item in named if isinstance(item, FunctionType) and item.__module__ == function.__module__]
    return "change" in names or any(_changes(item) for item in own if item is not function)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


# ------------------------------------------------------------------ roles


def _roles(_: str) -> Table:
    asked = Counter(getattr(route.endpoint, PERMISSION) for route in routes())
    rows = []
    for permission in Permission:
        granted = ("yes" if permission in ROLES[role] else NOTHING for role in Role)
        rows.append((f"`{permission.value}`", *granted, str(asked[permission])))
    return Table(("Permission", *(role.value for role in Role), "Routes"), rows)


# ------------------------------------------------------------------ database


def _columns(name: str) -> Table:
    table = metadata.tables[name]
    rows: list[Row] = []
    meanings = {}
    for column in table.columns:
        kind = _kind(column.type) + (", key" if column.primary_key else "") + (", or none" if column.nullable else "")
        rows.append((f"`{column.name}`", kind, column.info["data"]))
        if column.comment:
            meanings[f"`{column.name}`"] = column.comment.replace("|", "or")
    return Table(("Column", "Type", "Data"), rows, meanings=meanings)


def _kind(kind: sqlalchemy.types.TypeEngine[Any]) -> str:
    match kind:
        case UtcDateTime():
            return "moment"
        case JsonDocument():
            return "JSON"
        case sqlalchemy.Boolean():
            return "yes or no"
        case sqlalchemy.Integer():
            return "whole number"
        case sqlalchemy.Numeric() | sqlalchemy.Float():
            return "number"
        case sqlalchemy.LargeBinary():
            return "bytes"
        case sqlalchemy.String():
            return f"text ≤ {kind.length}" if kind.length else "text"
    raise TypeError(f"no word for the type {kind!r}")


def _retention(_: str) -> Table:
    models = {
        model.__tablename__: name
        for name in fault_tolerance_models.__all__
        if hasattr(model := getattr(fault_tolerance_models, name), "__tablename__")
    }
    settings = expiry_settings()
    rows = []
    for table in sorted(metadata.tables.values(), key=lambda table: table.name):
        keys = settings.get(table.name, ())
        shown = ", ".join(f"`{key}`" for key in keys) or NOTHING
        model = f"`{models[table.name]}`" if table.name in models else NOTHING
        rows.append((f"[`{table.name}`](#{table.name})", model, table.comment or "", shown))
    return Table(("Table", "Model", "Holds", "Setting of `retention`"), rows)


def expiry_settings() -> dict[str, tuple[str, ...]]:
    """Return table → the settings by which its rows expire, found out by letting them expire in an empty database."""
    names = [name for name in RetentionPolicy.describe() if name not in ("raw", "ten_seconds", "minutes", "hours")]
    distinct = {name: DAY * (number + 1) for number, name in enumerate(names)}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    asked: list[tuple[str, Any]] = []
    engine = sqlalchemy.create_engine("sqlite://")
    metadata.create_all(engine)
    sqlalchemy.event.listen(
        engine, "before_cursor_execute", lambda *arguments: asked.append((arguments[2], arguments[3]))
    )
    with engine.begin() as connection:
        expire(connection, now, RetentionPolicy(**distinct))
    found: dict[str, tuple[str, ...]] = {series.table: ("raw", "ten_seconds", "minutes", "hours") for series in SERIES}
    for statement, parameters in asked:
        for name, seconds in distinct.items():
            moment = UtcDateTime().process_bind_param(now - timedelta(seconds=seconds), engine.dialect)
            if moment in parameters:
                found[statement.split("FROM ")[1].split()[0]] = (name,)
    engine.dispose()
    return found


KINDS: dict[str, Callable[[str], Table]] = {
    "settings": _settings,
    "problems": _problems,
    "routes": _routes,
    "roles": _roles,
    "columns": _columns,
    "retention": _retention,
}
"""First word of a marker → what makes its table from the rest of the marker."""
