"""Conditional requests: which revision a change is based on, the same for everything that has revisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

IfMatch = Annotated[str | None, Header(max_length=100, description='revision that is changed, such as "3"; or *')]
IfNoneMatch = Annotated[str | None, Header(max_length=100, description="* to create")]
