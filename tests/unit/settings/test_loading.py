"""Settings: sources on top of each other, every mistake at once, nothing secret shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from scrollintel.core.errors import ConfigError
from scrollintel.security.access import Binding, Role
from scrollintel.settings import Settings, load

Load = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Return a loader that sees a file with the given text and these variables, and nothing of this machine."""

    def run(
        text: str | None = None,
        environment: Mapping[str, str] | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Settings:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        if text is not None:
            (work / "scrollintel.toml").write_text(text, encoding="utf-8")
        return load(None, {"HOME": str(tmp_path / "home"), **(environment or {})}, overrides or {}, directory=work)

    return run


def mistakes(loaded: Load, *arguments: object) -> list[str]:
    """Return the mistakes that loading reports, one text for each."""
    with pytest.raises(ConfigError) as caught:
        loaded(*arguments)
    return [str(violation) for violation in caught.value.violations]


def test_load_without_any_source_gives_the_defaults(loaded: Load, tmp_path: Path) -> None:
    """Nothing has to be configured: loopback, port 8400, SQLite in the user's data folder, access open."""
    settings = loaded()
    home = tmp_path / "home" / ".local" / "share" / "scrollintel"
    assert (settings.server.host, settings.server.port, settings.server.shutdown_timeout) == ("127.0.0.1", 8400, 3.0)
    assert settings.directory == home
    assert settings.database_url == f"sqlite:///{home}/control.db"
    assert settings.checkpoint_file == home / "audit-checkpoints.jsonl"
    assert not settings.is_access_enforced
    assert settings.file is None


def test_load_takes_the_latest_source_for_each_key(loaded: Load) -> None:
    """File beats default, environment beats file, command line beats environment, key by key."""
    text = '[server]\nport = 1000\nhost = "127.0.0.2"\nshutdown_timeout = 9\n[logging]\nlevel = "debug"\n'
    environment = {"SCROLLINTEL_SERVER_PORT": "2000", "SCROLLINTEL_SERVER_HOST": "127.0.0.3"}
    settings = loaded(text, environment, {"server.port": 3000})
    assert settings.server.port == 3000
    assert settings.server.host == "127.0.0.3"
    assert settings.server.shutdown_timeout == 9.0
    assert settings.sources["server.host"] == "SCROLLINTEL_SERVER_HOST"
    assert settings.sources["logging.level"].endswith("scrollintel.toml:6 logging.level")


def test_load_reports_the_mistakes_of_file_and_environment_in_one_error(loaded: Load) -> None:
    """Each mistake has its place, its value and what is allowed."""
    text = (
        '[server]\nport = 99999\nhots = "x"\n\n[replicas]\nstale_after = 0.5\n'
        '[[services]]\nname = "orders"\ntier = 9\n[nonsense]\n'
    )
    environment = {"SCROLLINTEL_LOGGING_LEVEL": "loud", "SCROLLINTEL_SERVER_PROT": "1"}
    found = mistakes(loaded, text, environment)
    expected = [
        ("scrollintel.toml:2 server.port=99999", "at most 65535"),
        ("scrollintel.toml:3 server.hots=", "one of the known fields"),
        ("scrollintel.toml:6 replicas.stale_after=0.5", "above push_interval (1 seconds)"),
        ("scrollintel.toml:9 services[0].tier=9", "at most 5"),
        ("scrollintel.toml:10 nonsense=", "one of the known tables"),
        ("SCROLLINTEL_LOGGING_LEVEL='loud'", "'debug', 'info', 'warning', 'error'"),
        ("SCROLLINTEL_SERVER_PROT=", "one of the known variables"),
    ]
    for where, allowed in expected:
        assert any(where in text and allowed in text for text in found), (where, found)
    assert len(found) == len(expected)


def test_load_knows_all_fields_of_a_policy_and_names_its_circuit(loaded: Load) -> None:
    """A preset is among the fields that are told, and a circuit without a name is that of its policy."""
    (found,) = mistakes(loaded, '[[policies]]\nname = "shop"\npresets = "goodput"\n')
    assert "scrollintel.toml:3 policies[0].presets='goodput'" in found
    assert "service, preset; did you mean preset?" in found
    declared = loaded('[[policies]]\nname = "shop"\nbreaker = { failure_threshold = 3 }\n').declared
    assert [item.policy.breaker.name for item in declared.policies if item.policy.breaker] == ["shop"]


def test_load_of_a_broken_file_says_where_toml_ends(loaded: Load) -> None:
    """A file that is not TOML is one mistake with the parser's line; the environment is still checked."""
    found = mistakes(loaded, "[server\n", {"SCROLLINTEL_SERVER_PORT": "x"})
    assert any("valid TOML" in text and "line 1" in text for text in found)
    assert any(text.startswith("SCROLLINTEL_SERVER_PORT='x'") for text in found)


def test_load_of_a_named_file_that_is_missing_is_a_mistake(loaded: Load, tmp_path: Path) -> None:
    """A file that was asked for has to be there; the error names what asked for it."""
    found = mistakes(loaded, None, {"SCROLLINTEL_CONFIG": str(tmp_path / "absent.toml")})
    assert len(found) == 1
    assert found[0].startswith("SCROLLINTEL_CONFIG=")
    assert "no such file" in found[0]


def test_load_never_shows_the_password_of_a_database(loaded: Load) -> None:
    """Neither a refused address nor the settings as text contain it."""
    (found,) = mistakes(loaded, '[database]\nurl = "mysql://me:hunter2@host/db"\n')
    assert "hunter2" not in found
    settings = loaded('[database]\nurl = "postgresql://me:hunter2@host/db"\n')
    assert "hunter2" not in str(settings.to_dict())
    assert settings.database_url == "postgresql://me:hunter2@host/db"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "control.example"])
def test_load_refuses_another_address_with_access_turned_off(loaded: Load, host: str) -> None:
    """Whoever can be reached from elsewhere asks for an identity; the error says why."""
    (found,) = mistakes(loaded, f'[server]\nhost = "{host}"\n[access]\nenabled = false\n')
    assert "scrollintel.toml:4 access.enabled=False" in found
    assert f"server.host is {host}" in found


def test_load_refuses_a_proxy_with_access_turned_off(loaded: Load) -> None:
    """Behind a proxy on this machine every request would look local."""
    (found,) = mistakes(loaded, '[server]\ntrusted_proxies = ["127.0.0.1"]\n[access]\nenabled = false\n')
    assert "trusted_proxies" in found


def test_load_enforces_access_on_another_address_by_itself(loaded: Load) -> None:
    """Left out, `enabled` follows the address, and may be turned on for loopback."""
    assert loaded('[server]\nhost = "0.0.0.0"\n').is_access_enforced
    assert loaded("[access]\nenabled = true\n").is_access_enforced
    assert not loaded('[server]\nhost = "::1"\n').is_access_enforced


def test_load_refuses_another_address_with_a_password_that_everybody_knows(loaded: Load) -> None:
    """A default secret is no secret."""
    text = '[server]\nhost = "0.0.0.0"\n[database]\nurl = "postgresql://me:postgres@host/db"\n'
    (found,) = mistakes(loaded, text)
    assert "scrollintel.toml:4 database.url" in found
    assert "me:postgres" not in found


def test_load_resolves_paths_of_the_file_from_its_folder(loaded: Load, tmp_path: Path) -> None:
    """A relative path means the same wherever the program is started."""
    settings = loaded('[data]\ndirectory = "state"\n[audit]\ncheckpoint_file = "/volume/points.jsonl"\n')
    assert settings.directory == tmp_path / "work" / "state"
    assert settings.checkpoint_file == Path("/volume/points.jsonl")


def test_load_prefers_the_data_folder_of_the_desktop(loaded: Load, tmp_path: Path) -> None:
    """XDG_DATA_HOME is honoured."""
    assert loaded(None, {"XDG_DATA_HOME": str(tmp_path / "xdg")}).directory == tmp_path / "xdg" / "scrollintel"


def test_load_finds_the_file_in_the_configuration_folder(loaded: Load, tmp_path: Path) -> None:
    """Without a file in the working folder the user's own is read."""
    folder = tmp_path / "config" / "scrollintel"
    folder.mkdir(parents=True)
    (folder / "scrollintel.toml").write_text("[server]\nport = 4242\n", encoding="utf-8")
    assert loaded(None, {"XDG_CONFIG_HOME": str(tmp_path / "config")}).server.port == 4242


def test_load_reads_what_the_file_declares_with_its_lines(loaded: Load) -> None:
    """Circuit breakers and policies become policies, services keep their dependencies, and each knows its line."""
    text = (
        '[[circuit_breakers]]\nname = "pay"\nfailure_threshold = 3\nservice = "orders"\n\n'
        '[[policies]]\nname = "stock"\n[policies.retry]\nmax_attempts = 4\n\n'
        '[[services]]\nname = "orders"\ntier = 1\ndepends_on = ["db", { name = "cache", kind = "soft" }]\n'
    )
    declared = loaded(text).declared
    pay, stock = declared.policies
    assert pay.policy.breaker is not None
    assert (pay.policy.name, pay.policy.breaker.failure_threshold, pay.service) == ("pay", 3, "orders")
    assert (pay.location, stock.location) == ("scrollintel.toml:1", "scrollintel.toml:6")
    assert stock.service is None
    (orders,) = declared.services
    assert orders.service.depends_on == (("db", "hard"), ("cache", "soft"))
    assert orders.location == "scrollintel.toml:11"


def test_load_refuses_a_name_that_is_declared_twice(loaded: Load) -> None:
    """A circuit breaker and a policy share one space of names."""
    (found,) = mistakes(loaded, '[[circuit_breakers]]\nname = "pay"\n[[policies]]\nname = "pay"\n')
    assert "scrollintel.toml:4 policies[0].name='pay'" in found
    assert "scrollintel.toml:2 has it" in found


def test_load_wants_an_identity_provider_in_full(loaded: Load) -> None:
    """An issuer without an audience and keys would accept tokens made for somebody else."""
    found = mistakes(loaded, '[access]\noidc_issuer = "https://id.example"\n')
    assert any("access.oidc_audience" in text for text in found)
    assert any("access.oidc_jwks_url" in text for text in found)


def test_load_reads_grants_of_groups(loaded: Load) -> None:
    """Groups of the identity provider become bindings, which the access model itself checks."""
    base = '[access]\noidc_issuer = "https://id.example"\noidc_audience = "me"\noidc_jwks_file = "keys.json"\n'
    settings = loaded(base + 'oidc_grants = { ops = [{ role = "operator", services = ["orders"] }] }\n')
    assert settings.access.oidc_grants == (("ops", (Binding(Role.OPERATOR, ("orders",)),)),)
    assert settings.is_access_enforced
    (found,) = mistakes(loaded, base + 'oidc_grants = { ops = [{ role = "king", services = ["*"] }] }\n')
    assert "scrollintel.toml:5 access.oidc_grants" in found


def test_load_wants_a_key_command_by_its_full_path(loaded: Load) -> None:
    """The program that gives out keys is not looked up on PATH."""
    (found,) = mistakes(loaded, '[keys]\nprovider = "command"\ncommand = ["vault"]\n')
    assert "keys.command" in found
    (found,) = mistakes(loaded, '[keys]\nprovider = "command"\n')
    assert "keys.command" in found


def test_load_reads_lists_and_switches_of_variables(loaded: Load) -> None:
    """Variables are texts: commas separate lists, and yes and no have several spellings."""
    settings = loaded(
        None,
        {
            "SCROLLINTEL_SERVER_ALLOWED_HOSTS": "a.example, b.example",
            "SCROLLINTEL_ACCESS_ENABLED": "yes",
            "SCROLLINTEL_AUDIT_CHECKPOINT_INTERVAL": "2.5",
            "SCROLLINTEL_DATABASE_URL": "",
        },
    )
    assert settings.server.allowed_hosts == ("a.example", "b.example")
    assert settings.access.enabled is True
    assert settings.audit.checkpoint_interval == 2.5
    assert settings.database.url is None


def test_load_policy_whose_breaker_has_another_name_is_refused_with_its_place(loaded: Load) -> None:
    """A policy and its circuit are one name; the mistake is told with the line where the breaker is named."""
    text = '[[policies]]\nname = "payments"\n[policies.breaker]\nname = "billing"\nfailure_threshold = 3\n'
    (mistake,) = mistakes(loaded, text)
    assert "scrollintel.toml:4" in mistake and "'billing'" in mistake and "'payments', as the policy" in mistake
    right = loaded(text.replace("billing", "payments"))
    assert [item.policy.name for item in right.declared.policies] == ["payments"]
