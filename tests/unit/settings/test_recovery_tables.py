"""The tables of recovery: its bounds, addresses, runbooks and channels to people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scrollintel.control.alerts import AlertRules
from scrollintel.core.errors import ConfigError
from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.runbook import Runbook
from scrollintel.recovery.target import Mode, Window
from scrollintel.settings import Settings, load
from scrollintel.telemetry.notify.config import EmailChannel, SlackChannel

Load = Callable[..., Settings]

FILE = """
[recovery]
max_running = 7
heartbeat_socket = "run/beats.sock"
engine_url = "postgresql://engine:hunter2@db/engine"
freeze = true
[[recovery.windows]]
begins = "2026-01-01T00:00:00Z"
ends = "2026-01-02T00:00:00Z"

[outbound]
hosts = ["*.Example.com", "10.0.0.0/8"]
private = ["127.0.0.1", "10.1.0.0/16", "unix:/var/run/docker.sock"]

[runbooks.clean]
command = ["/usr/local/bin/clean", "--cache"]
directory = "work"

[[notifications]]
kind = "slack"
url = "{env:SLACK_URL}"

[[notifications]]
kind = "email"
server = "mail.example.com"
sender = "a@example.com"
recipients = ["b@example.com"]
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Return a loader of a file with the given text and of variables."""

    def run(text: str = "", **environment: str) -> Settings:
        (tmp_path / "scrollintel.toml").write_text(text, encoding="utf-8")
        return load(environment={"HOME": str(tmp_path), **environment}, directory=tmp_path)

    return run


def refused(loaded: Load, text: str) -> str:
    """Return the error that loading raises, as a text."""
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return str(caught.value)


def test_recovery_tables_are_read(loaded: Load, tmp_path: Path) -> None:
    """Paths start at the file's folder, and every table has its attribute."""
    settings = loaded(FILE)
    recovery = settings.recovery
    assert (recovery.max_running, recovery.freeze, recovery.mode) == (7, True, Mode.OBSERVE)
    assert recovery.heartbeat_socket == tmp_path / "run" / "beats.sock"
    assert recovery.windows == (Window(begins="2026-01-01T00:00:00Z", ends="2026-01-02T00:00:00Z"),)
    private = ("127.0.0.1/32", "10.1.0.0/16", "unix:/var/run/docker.sock")
    assert settings.outbound.policy == OutboundPolicy(("*.example.com", "10.0.0.0/8"), private)
    assert settings.runbooks == {
        "clean": Runbook(command=("/usr/local/bin/clean", "--cache"), directory=str(tmp_path / "work"))
    }
    assert [type(channel) for channel in settings.notifications] == [SlackChannel, EmailChannel]


def test_recovery_engine_is_a_file_in_the_data_directory_by_default(loaded: Load, tmp_path: Path) -> None:
    """Nothing has to be configured; a password is never shown."""
    assert loaded("").engine_url == f"sqlite:///{tmp_path}/.local/share/scrollintel/recovery.db"
    assert "hunter2" not in str(loaded(FILE).to_dict())


def test_recovery_variables_set_its_table(loaded: Load) -> None:
    """A freeze can be set without touching the file."""
    settings = loaded("", SCROLLINTEL_RECOVERY_FREEZE="yes", SCROLLINTEL_OUTBOUND_PRIVATE="127.0.0.1, ::1")
    assert settings.recovery.freeze
    assert settings.outbound.private == ("127.0.0.1/32", "::1/128")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[recovery]\nstorm_share = 0", "recovery.storm_share=0"),
        ('[[recovery.windows]]\nbegins = "x"\nends = "y"', "recovery.windows='x'"),
        ('[outbound]\nhosts = ["http://x"]', "outbound.hosts="),
        ('[outbound]\nhosts = ["*"]', "outbound.hosts="),
        ('[outbound]\nhosts = ["10.0.0.999"]', "outbound.hosts="),
        ('[runbooks.a]\ncommand = ["clean"]', "runbooks.a.command="),
        ('[runbooks.a]\ncommand = "clean"', "runbooks.a.command="),
        ("[runbooks]\na = 1", "runbooks.a="),
        ('[[notifications]]\nkind = "fax"', "notifications[0].kind='fax'"),
    ],
)
def test_recovery_tables_mistake_is_named(loaded: Load, text: str, told: str) -> None:
    """Each has its place."""
    assert told in refused(loaded, text)


@pytest.mark.parametrize(
    "row",
    [
        'kind = "slack"\nurl = "https://hooks/s3cret"',
        'kind = "pagerduty"\nrouting_key = "s3cret"',
        'kind = "pagerduty"\nrouting_kee = "s3cret"',
        'kind = "webhook"\nurl = "https://a/"\nheaders = { authorization = "s3cret" }',
        'kind = "webhook"\nurl = "ftp://user:s3cret@a/"',
    ],
)
def test_notifications_secret_in_clear_is_refused_and_not_shown(loaded: Load, row: str) -> None:
    """A secret stands in a variable or a file; who writes it into the settings is told so without it."""
    assert "s3cret" not in refused(loaded, f"[[notifications]]\n{row}\n")


def test_alerts_are_read_and_bounded(loaded: Load) -> None:
    """Times, counts and the address of the runbooks; a variable wins."""
    file = '[alerts]\nopen_for = 120\nflap_openings = 5\nrunbook_url = "https://docs.example.com/runbooks"\n'
    rules = loaded(file, SCROLLINTEL_ALERTS_OPEN_FOR="60").alerts.rules
    assert (rules.open_for, rules.flap_openings, rules.runbook_url) == (60.0, 5, "https://docs.example.com/runbooks")
    assert loaded("").alerts.rules == AlertRules()
    for mistake in ("repeat_interval = 1", "flap_openings = 0", "flap_window = 9999", "enabled = 1", "open_for = -1"):
        name = mistake.partition(" ")[0]
        assert name in refused(loaded, f"[alerts]\n{mistake}\n")
