"""What is said of the settings is complete, and says of each the variable that sets it."""

from __future__ import annotations

from pathlib import Path

from scrollintel.settings import SettingDescription, describe, load

VALUES = {
    "server.host": "::1",
    "server.port": "9000",
    "server.trusted_proxies": "10.0.0.0/8",
    "data.directory": "/srv/data",
    "access.enabled": "true",
    "access.oidc_groups_claim": "roles",
    "keys.provider": "environment",
    "audit.checkpoint_records": "10",
    "replicas.push_interval": "0.5",
    "logging.level": "debug",
    "retention.raw": "900",
}


def described() -> dict[str, SettingDescription]:
    """Return every setting by its name."""
    return {setting.name: setting for setting in describe()}


def test_describe_every_setting_has_a_meaning() -> None:
    """Each field of each table is said of in the docstring of its class, in a whole sentence."""
    for setting in describe():
        assert setting.meaning.endswith("."), setting.name


def test_describe_names_every_key_that_a_file_may_set(tmp_path: Path) -> None:
    """What `load` returns has the same tables and keys, beside the retention, which is kept as given."""
    settings = load(environment={"HOME": str(tmp_path)}, directory=tmp_path).to_dict()
    loaded = {f"{table}.{key}" for table, values in settings.items() for key in values}
    assert {name for name in described() if not name.startswith("retention.")} == loaded


def test_describe_variable_sets_its_setting(tmp_path: Path) -> None:
    """A value under the variable that is named is in force and known to come from there."""
    known = described()
    environment = {known[name].variable: text for name, text in VALUES.items()}
    settings = load(environment={"HOME": str(tmp_path), **environment}, directory=tmp_path)
    assert dict(settings.sources) == {name: known[name].variable for name in VALUES}


def test_describe_meaning_leaves_out_what_default_and_range_say() -> None:
    """Default and range stand once, where programs find them; sentences behind them stay."""
    host = described()["server.host"]
    assert host.meaning == "Address to listen on. Another than this machine's needs access control."
    assert (host.default, described()["server.shutdown_timeout"].unit) == ("127.0.0.1", "seconds")


def test_describe_addresses_of_databases_are_secret_and_nothing_else() -> None:
    """A value that may hold a password is marked."""
    assert [name for name, setting in described().items() if setting.secret] == [
        "database.url",
        "recovery.engine_url",
    ]
