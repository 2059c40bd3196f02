"""Conditional requests: which revision a change is based on, the same for everything that has revisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

# The patterns are for the description alone: a tag of another form names no revision of ours, and so matches none.
IfMatch = Annotated[
    str | None,
    Header(
        max_length=100,
        description='revision that is changed, such as "3"; or * for whatever there is',
        json_schema_extra={"pattern": r'^(\*|"[0-9]{1,15}")$'},
    ),
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=100, description="* to create", json_schema_extra={"pattern": r"^\*$"})
]
