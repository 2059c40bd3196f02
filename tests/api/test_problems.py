"""What a wrong field may be is told in the words that the product's own rules have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .rig import serving


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "violation"),
    [
        ({"reason": ""}, ("reason", "text of at least 1 characters")),
        ({"reason": "x" * 1001}, ("reason", "text of at most 1000 characters")),
        ({"reason": 7}, ("reason", "a valid string")),
        ({}, ("reason", "given")),
        ({"reason": "a", "more": 1}, ("more", "left out: there is no such field")),
    ],
)
async def test_violations_complete_the_sentence_must_be(
    tmp_path: Path, body: dict[str, Any], violation: tuple[str, str]
) -> None:
    """Each is told with its field and what is allowed, without a library's own sentence."""
    async with serving(tmp_path) as (client, _):
        answer = await client.post("/circuit-breakers/payments/isolate", json=body)
        assert answer.status_code == 422
        assert [(item["field"], item["allowed"]) for item in answer.json()["violations"]] == [violation]
