"""Keys of encryption, and the erasure of persons."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from ...security.access import Permission
from ...service.plane import Answer
from ...storage.transaction import Transaction
from ..context import Ask, answer, json_response
from ..route import requires, resource_router
from ..schemas.access import Erased, Erasure, KeyList, RotationBegun, RotationBody

router = resource_router("keys and persons")

SubjectId = Annotated[str, Path(pattern=r"^sub_[0-9a-f]{32}$")]


@router.get("/keys", response_model=KeyList, summary="List data keys")
@requires(Permission.CONFIGURATION_READ)
async def list_keys(ask: Ask) -> Response:
    """Ids, ages and counts; never key material."""
    rotation = ask.use_cases.key_rotation
    items = [
        {
            "id": record.id,
            "purpose": record.purpose,
            "key_encryption_key": record.key_encryption_key_id,
            "created_at": record.created_at,
            "retired_at": record.retired_at,
            "values": count,
        }
        for record, count in rotation.data_keys()
    ]
    current = rotation.current_key_encryption_key()
    return json_response({"key_encryption_key": current, "rotating": rotation.pending, "items": items})


@router.post("/keys/rotate", status_code=202, response_model=RotationBegun, summary="Rotate keys")
@requires(Permission.KEYS_ROTATE)
async def rotate_keys(body: RotationBody, ask: Ask) -> Response:
    """Begin with new keys; what is under the former ones is sealed again in the background, a restart included."""
    rotation = ask.use_cases.key_rotation

    def decide(tx: Transaction) -> Answer:
        if body.what == "data_keys":
            keys = rotation.rotate_data_keys(tx, ask.caller)
        else:
            keys = [rotation.rotate_key_encryption_key(tx, ask.caller)]
        return answer(202, {"what": body.what, "keys": keys})

    return await ask.change(decide)


@router.post("/subjects/{subject_id}/erase", response_model=Erased, summary="Erase a person")
@requires(Permission.SUBJECTS_ERASE)
async def erase_subject(subject_id: SubjectId, body: Erasure, ask: Ask) -> Response:
    """Destroy the key of a person's data in the audit log and revoke their tokens; the log still verifies."""

    def decide(tx: Transaction) -> Answer:
        ask.use_cases.persons.erase(tx, ask.caller, subject_id, body.reason)
        return answer(200, {"subject_id": subject_id, "state": "erased"})

    return await ask.change(decide)
