"""Keys: rotated while everything goes on, resumed after a kill, and never replaced by plaintext."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import pytest

from scrollintel.composition import environment_keys
from scrollintel.control.records import CONFIGURATION as _KIND
from scrollintel.security.errors import EncryptionSelfTestError
from scrollintel.security.key_providers import ENVIRONMENT_VARIABLE, KeyProvider
from scrollintel.service.key_rotation import KeyRotation
from scrollintel.storage import sealed_cells
from scrollintel.storage.writer import WriterState
from tests.api.recovery_rig import until
from tests.api.rig import Served, serving

CREATE = {"If-None-Match": "*"}
WANTED = [f"secret {number}" for number in range(5)]


async def _plant(served: Served, count: int) -> None:
    for number in range(count):
        body = {"value": f"secret {number}", "secret": True}
        answer = await served.client.put(f"/configuration/key-{number}", json=body, headers=CREATE)
        assert answer.status_code == 200, answer.text


def _values(served: Served) -> list[str]:
    return [served.use_cases.configuration.secret(f"key-{number}") for number in range(5)]


@pytest.mark.asyncio
@pytest.mark.parametrize("what", ["data_keys", "key_encryption_key"])
async def test_rotation_stopped_after_one_batch_is_ended_by_the_next_process(
    tmp_path: Path, database_url: str, what: str
) -> None:
    """Values open at every moment, and in the end nothing is left under a former key."""
    async with serving(tmp_path, database_url=database_url) as served:
        await served.use_cases.loops.stop()
        await _plant(served, 5)
        before = (await served.client.get("/keys")).json()
        assert (await served.client.post("/keys/rotate", json={"what": what})).status_code == 202
        rotation = KeyRotation(served.use_cases.plane, batch=1)
        assert await rotation.step()
        assert rotation.pending
        assert _values(served) == WANTED
    async with serving(tmp_path, database_url=database_url) as served:
        await served.use_cases.key_rotation.go_on()
        assert _values(served) == WANTED
        after = (await served.client.get("/keys")).json()
    assert not after["rotating"]
    name = "id" if what == "data_keys" else "key_encryption_key"
    assert not {item[name] for item in before["items"]} & {item[name] for item in after["items"]}


@pytest.mark.asyncio
async def test_wrong_key_at_start_stops_writing_and_shows_no_value(tmp_path: Path, database_url: str) -> None:
    """Changes get 503 with the cause in the state; a secret is unreadable, and nothing falls back to plaintext."""
    async with serving(tmp_path, database_url=database_url) as served:
        await _plant(served, 1)
    file = tmp_path / "keys" / "key-000001.key"
    right = file.read_bytes()
    file.write_bytes(base64.b64encode(b"x" * 32) + b"\n")
    async with serving(tmp_path, database_url=database_url) as served:
        assert served.use_cases.plane.writer.state is WriterState.UNAVAILABLE
        assert "key" in (served.use_cases.plane.writer.last_error or "")
        change = await served.client.put("/configuration/new", json={"value": "plain", "secret": True}, headers=CREATE)
        assert change.status_code == 503 and "retry-after" in change.headers
        shown = (await served.client.get("/configuration/key-0")).json()
        assert shown["secret"] and shown["digest"] is None and "value" not in shown
    file.write_bytes(right)
    async with serving(tmp_path, database_url=database_url) as served:
        assert served.use_cases.configuration.secret("key-0") == "secret 0"


@pytest.mark.asyncio
async def test_wrong_key_from_the_environment_is_warned_of_once_however_often_it_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """That such keys are for development is said at the first try; the right key is taken as soon as it is there."""
    right, wrong = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, right)
    async with serving(tmp_path, key_provider=environment_keys()):
        pass
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, wrong)
    caplog.clear()
    tries: list[bool] = []
    keys = environment_keys()

    def counted(create: bool) -> KeyProvider:
        tries.append(create)
        return keys(create)

    async with serving(tmp_path, key_provider=counted) as served:
        await until(lambda: len(tries) >= 3)
        assert not served.use_cases.plane.serving
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, right)
        await until(lambda: served.use_cases.plane.serving)
    assert caplog.text.count("meant for development") == 1


@pytest.mark.asyncio
async def test_self_test_that_finds_plaintext_stops_writing(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that holds a secret in clear is written to no more."""
    async with serving(tmp_path, database_url=database_url) as served:
        await served.use_cases.loops.stop()
        configuration = served.use_cases.configuration
        configuration._tested = False
        ring = served.use_cases.plane.keys.ring

        def in_clear(connection: object, key: str) -> str:
            record = served.use_cases.plane.records.get(_KIND, key)
            assert record is not None and record.sealed is not None
            return ring.open_(record.sealed, "fault_tolerance_configurations", key, "sealed").decode()

        monkeypatch.setattr(sealed_cells, "raw_configuration", in_clear)
        with pytest.raises(EncryptionSelfTestError):
            await configuration.self_test()
        answer = await served.client.put("/configuration/a", json={"value": 1}, headers=CREATE)
        assert answer.status_code == 503
