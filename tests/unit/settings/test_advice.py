"""Remarks on valid settings, and what they amount to in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scrollintel.settings import Settings, advise, explain, load
from scrollintel.settings.graph import circles
from tests.unit.settings.kinds import registered

Load = Callable[[str], Settings]

GOOD = """
[outbound]
private = ["127.0.0.1"]
[runbooks.clean]
command = ["/bin/true"]

[[services]]
name = "shop"
mode = "recover"
depends_on = ["db"]
[[services.checks]]
kind = "t-port"
host = "127.0.0.1"
port = 80
[[services.checks]]
kind = "t-life"
[services.process]
command = ["/bin/sh"]
[services.strategies]
exited = ["t-restart", { kind = "t-book", runbook = "clean", attempts = 2 }]

[[services]]
name = "db"
[[services.checks]]
kind = "t-port"
host = "127.0.0.1"
port = 5432
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


def test_advise_has_nothing_to_say_of_good_settings(loaded: Load) -> None:
    """No remark without a reason."""
    assert advise(loaded(GOOD)) == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "word"),
    [
        ('["db"]', '["dc"]', "unknown_dependency", "dc"),
        ('name = "db"', 'name = "db"\ndepends_on = ["shop"]', "dependency_cycle", "db, shop"),
        ('name = "db"', 'name = "db"\ngroup = "dbs"', "group_of_one", "dbs"),
        (
            'kind = "t-life"',
            'kind="t-port"\nname="x"\ndepth="alive"\nhost="127.0.0.1"\nport=5432',
            "alive_looks_at_dependency",
            "at db",
        ),
        ('private = ["127.0.0.1"]', 'private = ["127.0.0.2"]', "address_not_allowed", "127.0.0.1"),
        ('["t-restart"', '["restart-unit"', "nothing_to_restart", "unit"),
        ("[runbooks.clean]", "[runbooks.tidy]", "unknown_runbook", "tidy"),
        ('exited = ["t-restart"', 'not_ready = ["t-restart"', "restart_without_alive", "not_ready"),
        ('kind = "t-port"\nhost = "127.0.0.1"\nport = 80', 'kind = "t-life"\nname = "y"', "no_proof", "proved"),
        ('command = ["/bin/sh"]', 'command = ["/bin/shh"]', "missing_program", "/bin/shh"),
        ('command = ["/bin/sh"]', 'command = ["/bin/sh"]\ndirectory = "/nowhere"', "missing_program", "/nowhere"),
        (
            'command = ["/bin/sh"]',
            'command = ["/bin/sh"]\nenvironment = { KEY = "{env:SI_TEST_UNSET}" }',
            "missing_secret",
            "SI_TEST_UNSET",
        ),
        ('host = "127.0.0.1"\nport = 5432', 'host = "{hst}"\nport = 5432', "unknown_placeholder", "{hst}"),
    ],
)
def test_advise_names_what_is_not_meant(loaded: Load, old: str, new: str, code: str, word: str) -> None:
    """One change, its remark, and no other kind of remark."""
    assert old in GOOD
    remarks = advise(loaded(GOOD.replace(old, new)))
    assert {remark.code for remark in remarks} == {code}
    assert word in remarks[0].detail


SHIPPED = """
[outbound]
private = ["127.0.0.1"]
[[services]]
name = "worker"
mode = "recover"
heartbeat = { timeout = 1 }
[[services.checks]]
kind = "tcp"
depth = "ready"
host = "127.0.0.1"
port = 80
[services.process]
command = ["/bin/sh"]
[services.strategies]
default = ["notify"]
"""


@pytest.mark.parametrize(
    ("old", "new", "code", "word"),
    [
        ("default =", "exitted =", "unknown_failure_type", "did you mean exited?"),
        ("default =", "exited =", "exit_unnoticed", "a check of the kind process"),
        ("default =", "not_ready =", None, ""),
        ("default =", "slow =", None, ""),
    ],
)
def test_advise_names_failures_that_nothing_tells_of(
    loaded: Load, old: str, new: str, code: str | None, word: str
) -> None:
    """Checks that ship tell of a known list; a misspelt name is never tried."""
    remarks = advise(loaded(SHIPPED.replace(old, new)))
    assert [remark.code for remark in remarks] == ([] if code is None else [code])
    assert code is None or word in remarks[0].detail


def test_advise_recover_without_strategy_is_named(loaded: Load) -> None:
    """Who enables repair and says not how is told so."""
    text = GOOD.partition("[services.strategies]")[0]
    assert "no_strategy" in {remark.code for remark in advise(loaded(text))}


def test_explain_says_what_is_watched_what_happens_and_who_agrees(loaded: Load) -> None:
    """One sentence for each way, failure and bound."""
    shop, database = explain(loaded(GOOD))
    assert shop.watched[0].startswith("t-port (t-port) looks every 1 s, for at most 1 s, whether it takes work: failed")
    assert shop.failures == (
        "On exited: t-restart (nobody has to agree), then t-book, up to 2 times (a person has to agree), then people"
        " are called.",
        "On any other failure: people are called.",
    )
    assert shop.limits[0].startswith("At most 3 recoveries in one incident, 60 s apart")
    assert database.failures == ("Nothing is repaired (mode observe): failures are recorded and told.",)
    assert database.limits == ()


def test_circles_are_found_in_a_chain_of_any_length() -> None:
    """Two circles with a bridge stay two; a long chain is none and does not exhaust the stack."""
    chain = {str(index): [str(index + 1)] for index in range(5000)}
    assert circles(chain) == []
    assert circles({**chain, "5000": ["4999"]}) == [["4999", "5000"]]
    graph = {"a": ["b"], "b": ["c", "x"], "c": ["a"], "x": ["y"], "y": ["x", "z"], "z": []}
    assert circles(graph) == [["a", "b", "c"], ["x", "y"]]
