"""A scenario file is checked as a whole; errors name field, value, what is allowed, and a near miss."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from scrollintel import CircuitBreakerConfig, Policy
from scrollintel.core.errors import ConfigError
from scrollintel.simulation import example, load_scenario, scenario_of
from scrollintel.simulation.contender import policies_of

GOOD: dict[str, Any] = {"name": "x", "arrivals": {"rate": 10}, "policies": {"none": {}}}


def violations(data: dict[str, Any]) -> dict[str, str]:
    """Return what is allowed, by field, of a scenario that is not valid."""
    with pytest.raises(ConfigError) as caught:
        scenario_of(data)
    assert caught.value.subject == "scenario"
    return {violation.field: violation.allowed for violation in caught.value.violations}


@pytest.mark.parametrize(
    ("change", "field", "allowed"),
    [
        ({"nmae": "y"}, "nmae", "did you mean name?"),
        ({"duration": 0}, "duration", "above 0"),
        ({"bucket": 500}, "bucket", "at most duration (240 seconds)"),
        ({"trouble": [5, 3]}, "trouble", "0 <= start < end"),
        ({"trouble": [5, 10**400]}, "trouble", "0 <= start < end"),
        ({"trouble": [5, float("nan")]}, "trouble", "0 <= start < end"),
        ({"trouble": [False, 5]}, "trouble", "0 <= start < end"),
        ({"trouble": [5, 300]}, "trouble", "at most duration (240 seconds)"),
        ({"arrivals": {"rate": -1}}, "arrivals.rate", "requests per second"),
        ({"arrivals": {"rate": 1, "kind": "posson"}}, "arrivals.kind", "'poisson'"),
        ({"arrivals": {"rate": 1, "changes": [{"at": 1}]}}, "arrivals.changes[0].rate", "given"),
        ({"clients": {"count": 0}}, "clients.count", "at least 1"),
        ({"service": {"worker": 1}}, "service.worker", "did you mean workers?"),
        ({"service": {"changes": [{"at": 5, "until": 4}]}}, "service.changes[0].until", "later than at (5 seconds)"),
        ({"service": {"hosts": 2, "changes": [{"at": 5, "hosts": [2]}]}}, "service.changes[0].hosts", "from 0 to 1"),
        ({"service": {"changes": [{"at": 5, "failures": 2}]}}, "service.changes[0].failures", "at most 1"),
        ({"policies": {}}, "policies", "one table [policies.NAME] or more"),
        ({"arrivals": 3}, "arrivals", "a table [arrivals] with its rate"),
        ({"policies": {"a": 3}}, "policies.a", "a table"),
        ({"policies": {"a": {"presets": "goodput"}}}, "policies.a.presets", "did you mean preset?"),
        ({"policies": {"a": {"key": "host"}}}, "policies.a.key", "None; keyed = true gives each host its own"),
        ({"policies": {"a": {"retries": {}}}}, "policies.a.retries", "did you mean retry?"),
        ({"policies": {"a": {"retry": {"max_attempts": 0}}}}, "policies.a.retry.max_attempts", "at least 1"),
        ({"policies": {"a": {"timeout": {"in_thread": True}}}}, "policies.a.timeout.in_thread", "one thread"),
        (
            {"policies": {"a": Policy("a", breaker=CircuitBreakerConfig("a", health_probe=int))}},
            "policies.a.breaker.health_probe",
            "None in a simulation",
        ),
        ({"policies": {"a": {"keyed": "yes"}}}, "policies.a.keyed", "True or False"),
        ({"policies": {"a": {"preset": "best"}}}, "policies.a.preset", "one of the known presets"),
        ({"policies": {"a": {"breaker": {}, "keyed": True}}}, "policies.a.keyed", 'clients.route is "key"'),
        ({"expect": {"none": {"durign": 0.5}}}, "expect.none.durign", "did you mean during?"),
        ({"expect": {"nome": {}}}, "expect.nome", "did you mean none?"),
        ({"policies": {"a, b": {}, "c": {}}, "expect": {"x": {}}}, "expect.x", "known policies: 'a, b', 'c'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: dict[str, Any], field: str, allowed: str) -> None:
    """One mistake, one violation, at its place."""
    found = violations({**GOOD, **change})
    assert list(found) == [field]
    assert allowed in found[field]


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody has to run it again for the second one."""
    broken = {"name": "", "arrivals": {"rate": 0}, "policies": {"a": {"bulkhead": 0}, "b": {"oder": 1}}}
    assert set(violations(broken)) == {"name", "arrivals.rate", "policies.a.bulkhead.max_concurrent", "policies.b.oder"}


def test_names_of_policies_and_circuits_may_be_left_out() -> None:
    """The table's own name stands for both."""
    policy = scenario_of({**GOOD, "policies": {"b": {"breaker": {"failure_threshold": 2}}}}).policies["b"].policy
    assert policy.name == "b" and policy.breaker is not None and policy.breaker.name == "b"


def test_the_trouble_spans_the_changes_unless_it_is_given() -> None:
    """From the first beginning to the last end; an open end is that of the simulation."""
    changes = [{"at": 40, "until": 50, "capacity": 0.5}, {"at": 30, "until": 35, "failures": 1.0}]
    assert scenario_of({**GOOD, "service": {"changes": changes}}).troubled == (30.0, 50.0)
    assert scenario_of({**GOOD, "arrivals": {"rate": 1, "changes": [{"at": 60, "rate": 9}]}}).troubled == (60.0, 240.0)
    assert scenario_of({**GOOD, "trouble": [1, 2]}).troubled == (1.0, 2.0)
    assert scenario_of(GOOD).troubled == (240.0, 240.0)


def test_a_scenario_goes_to_another_process_and_into_json() -> None:
    """What runs there is what was read here."""
    scenario = example("one-bad-shard")
    assert pickle.loads(pickle.dumps(scenario)) == scenario
    assert scenario_of(scenario.to_dict()).to_dict() == scenario.to_dict()


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """Missing, not TOML, or unknown among the examples."""
    with pytest.raises(ConfigError, match="no such file"):
        load_scenario(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("name = [", encoding="utf-8")
    with pytest.raises(ConfigError, match="valid TOML"):
        load_scenario(tmp_path / "broken.toml")
    with pytest.raises(ConfigError, match="did you mean overload"):
        example("overlaod")


def test_policies_of_a_settings_file_will_do() -> None:
    """`[[policies]]` of `scrollintel.toml` names its policies itself, and may name their service."""
    rows = [{"name": "payments", "service": "shop", "retry": {"max_attempts": 2}}, {"name": "mail", "timeout": 3}]
    found = policies_of({"policies": rows, "server": {"port": 1}})
    assert list(found) == ["payments", "mail"]
    with pytest.raises(ConfigError, match="different names"):
        policies_of({"policies": [rows[0], rows[0]]})
    with pytest.raises(ConfigError, match=r"policies\.a\.oder"):
        policies_of({"policies": {"a": {"oder": 1}}})
    with pytest.raises(ConfigError, match="tables"):
        policies_of({})
