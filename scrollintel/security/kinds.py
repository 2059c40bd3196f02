"""The kinds of records that access and encryption keep."""

from __future__ import annotations

from ..control.records import Kind
from .envelope import DataKeyRecord
from .subjects import SubjectKey
from .tokens import TokenRecord

TOKENS: Kind[TokenRecord] = Kind("token", lambda record: record.id)
DATA_KEYS: Kind[DataKeyRecord] = Kind("data key", lambda record: record.id)
SUBJECTS: Kind[SubjectKey] = Kind("subject", lambda record: record.subject_id)
