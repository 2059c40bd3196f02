"""Services of a settings file that are watched: checks, replicas, strategies, and every mistake with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.recovery.symptom import Depth
from scrollintel.recovery.target import Heartbeat, Mode, Remedy
from scrollintel.settings import Settings, load
from tests.unit.settings.kinds import registered

Load = Callable[[str], Settings]

SHOP = """
[[services]]
name = "shop"
tier = 1
owner = "team shop"
mode = "recover"
depends_on = ["db"]
degrade_to = 2

[[services.checks]]
kind = "t-port"
host = "{host}"
port = "{port}"
interval = 0.5

[services.process]
command = ["/usr/bin/shop", "--port={port}", "{port}", "{replica}"]
pidfile = "run/{replica}.pid"

[services.strategies]
exited = ["t-restart"]
default = [{ kind = "t-book", runbook = "clean", attempts = 2, approval = false }]

[[services.windows]]
begins = "01:00"
ends = "02:00"
days = ["sunday"]

[[services.replicas]]
name = "a"
region = "eu"
variables = { host = "127.0.0.1", port = 8001 }

[[services.replicas]]
name = "b"
variables = { host = "127.0.0.1", port = 8002 }

[[services]]
name = "db"
"""


@pytest.fixture(autouse=True)
def kinds() -> Iterator[None]:
    """Have kinds of checks and strategies."""
    with registered():
        yield


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Return a loader of a file with the given text."""

    def run(text: str) -> Settings:
        (tmp_path / "scrollintel.toml").write_text(text, encoding="utf-8")
        return load(environment={"HOME": str(tmp_path)}, directory=tmp_path)

    return run


def mistakes(loaded: Load, text: str) -> list[str]:
    """Return what is wrong, one text for each mistake."""
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return [str(violation).rpartition("/scrollintel.toml")[2] for violation in caught.value.violations]


def test_targets_of_replicas_form_a_group_with_their_own_variables(loaded: Load, tmp_path: Path) -> None:
    """Each replica is a target of its own; a variable that is a whole text keeps its type."""
    settings = loaded(SHOP)
    first, second = settings.targets
    assert (first.name, first.service, first.group, first.region) == ("shop/a", "shop", "shop", "eu")
    assert (second.name, second.region, second.tier, second.owner) == ("shop/b", None, 1, "team shop")
    assert second.checks[0].options == {"host": "127.0.0.1", "port": 8002}
    assert (second.checks[0].name, second.checks[0].depth, second.checks[0].interval) == ("t-port", Depth.READY, 0.5)
    assert second.process is not None
    assert second.process.command == ("/usr/bin/shop", "--port=8002", "8002", "b")
    assert second.process.pidfile == str(tmp_path / "run" / "b.pid")
    assert second.chain("slow") == (Remedy(kind="t-book", options={"runbook": "clean"}, attempts=2, approval=False),)
    assert second.chain("exited") == (Remedy(kind="t-restart"),)
    assert (first.mode, first.depends_on, first.location) == (Mode.RECOVER, (("db", "hard"),), "scrollintel.toml:2")


def test_targets_service_without_anything_to_watch_is_a_plain_service(loaded: Load) -> None:
    """It is known as before, and nothing looks at it."""
    settings = loaded(SHOP)
    assert [declared.service.name for declared in settings.declared.services] == ["shop", "db"]
    assert {target.service for target in settings.targets} == {"shop"}


def test_targets_without_a_mode_take_that_of_the_recovery_table(loaded: Load) -> None:
    """One line enables or disables repair for all that say nothing."""
    text = '[recovery]\nmode = "recover"\n[[services]]\nname = "agent"\n[services.heartbeat]\ntimeout = 2\n'
    (target,) = loaded(text).targets
    assert (target.mode, target.heartbeat, target.group) == (Mode.RECOVER, Heartbeat(timeout=2.0), None)
    (target,) = loaded(text.partition("\n[[")[2].join(["[[", ""])).targets
    assert target.mode is Mode.OBSERVE


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('kind = "t-port"', 'kind = "t-prt"', ":11 services[0].checks[0].kind='t-prt'"),
        ("interval = 0.5", "interval = 0", ":14 services[0].checks[0].interval=0"),
        ("interval = 0.5", "intervall = 9", ":14 services[0].checks[0].intervall='(hidden)'"),
        ("port = 8002", "port = 99999", ":13 services[0].checks[0].port=99999"),
        ("port = 8002", "prt = 1", "services[0].replicas[1].variables='{port} is used'"),
        ('["t-restart"]', '["t-restrt"]', "services[0].strategies.exited[0].kind='t-restrt'"),
        ('runbook = "clean",', "", "services[0].strategies.default[0].runbook=None"),
        ('name = "b"', 'name = "a"', "services[0].replicas[1].name='a'"),
        ('name = "b"', 'name = "all"', "services[0].replicas[1].name='all'"),
        ('name = "shop"', 'name = "*"', ":3 services[0].name='*'"),
        ('["sunday"]', '["sun"]', "services[0].windows[0].days=["),
        ("degrade_to = 2", "degrade = 2", ":8 services[0].degrade='(hidden)'"),
        ('name = "db"', 'name = "shop/a"\nunit = "x.service"', "services='shop/a'"),
    ],
)
def test_targets_mistake_is_told_once_with_its_line(loaded: Load, old: str, new: str, expected: str) -> None:
    """Whatever is wrong in a service, in one replica or in all of them, is named where it stands."""
    assert old in SHOP
    found = mistakes(loaded, SHOP.replace(old, new))
    assert len(found) == 1, found
    assert expected in found[0]


def test_targets_password_in_an_address_that_is_refused_is_not_shown(loaded: Load) -> None:
    """Whoever wrote it in clear does not find it in a log as well."""
    check = 'kind = "t-port"\nport = 1\nhost = "a://u:s3cret@b\\u0007"\nheaders = { cookie = "s3cret" }'
    assert "s3cret" not in str(mistakes(loaded, f'[[services]]\nname = "a"\n[[services.checks]]\n{check}\n'))


def test_targets_of_a_service_with_wrong_keys_of_its_own_are_checked_as_well(loaded: Load) -> None:
    """All mistakes are told at once."""
    text = SHOP.replace("tier = 1", "tier = 9").replace("interval = 0.5", "interval = 0")
    found = mistakes(loaded, text)
    places = [item.partition("=")[0].split()[-1] for item in found]
    assert places == ["services[0].tier", "services[0].checks[0].interval"]
