"""What `doctor` finds out about the database and about the keys that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import ScrollIntelError
from ..settings.secrecy import without_password
from .diagnosis import Finding

if TYPE_CHECKING:
    from ..security.key_providers import KeyProvider
    from ..settings import Settings

NOT_INSTALLED = "not checked: the extra server is not installed"
_IN_USE = "SELECT DISTINCT key_encryption_key_id FROM data_keys"
_RESTORE = "restore the keys from their backup; a new key opens nothing that a lost one has sealed"


def database(settings: Settings) -> Finding:
    """Check that the database answers and how its schema stands."""
    try:
        from ..storage.maintenance import schema_step
        from ..storage.schema import refuse_unknown
    except ImportError:
        return Finding("database", "warn", NOT_INSTALLED)
    url = settings.database_url
    try:
        found = schema_step(url)
    except (ScrollIntelError, OSError) as error:  # a folder that may not be looked into is told by the system
        todo = "check database.url, and that the server runs and lets you in"
        if url.startswith("sqlite"):
            todo = "check the file's owner and mode; when it is damaged: scrollintel db restore FILE --force"
        return Finding("database", "fail", f"{without_password(url)}: {error}", todo)
    if not found.exists:
        return Finding("database", "ok", f"{found.database} is made at the first start")
    if found.is_current:
        return Finding("database", "ok", f"{found.database}, schema {found.step}")
    stands = f"{found.database}, schema {found.step or 'none'}, wanted {found.wanted}"
    try:
        refuse_unknown(found.step)
    except ScrollIntelError:
        todo = "a newer version has written it: install that version, or restore a backup of this one"
        return Finding("database", "fail", stands, todo)
    return Finding("database", "warn", stands, "scrollintel db upgrade, or start the server, which does it")


def keys(settings: Settings) -> Finding:
    """Check that the keys are there, that nobody else can read them, and that they are those the database needs."""
    place = _place(settings)
    try:
        from ..security.errors import KeyUnavailableError

        needed = _needed(settings.database_url)
        if _has_no_key_file(settings):
            return _without_files(place, needed)
        try:
            provider = _provider(settings)
            for key in needed or (provider.current().id,):
                provider.find(key)
        except KeyUnavailableError as error:
            # Rights can be put right; anything else means that the key that sealed is not here.
            lost = needed and not error.remedy.startswith(("Run", "Check"))
            return Finding("keys", "fail", f"{error.source} {error.problem}", _RESTORE if lost else error.remedy)
        except OSError as error:
            found = f"{place}: {(error.strerror or 'unreadable').lower()}"
            return Finding("keys", "fail", found, "run this as the user who runs the server")
    except ImportError:
        return Finding("keys", "warn", NOT_INSTALLED)
    if settings.keys.provider.value == "file":
        place += ", readable by their owner alone"
    return Finding("keys", "ok", place)


def _without_files(place: str, needed: frozenset[str] | None) -> Finding:
    if needed:
        return Finding("keys", "fail", f"{place} holds no key, and the database needs {', '.join(needed)}", _RESTORE)
    if needed is None:
        todo = f"see to the database first; unless it is a new one, {_RESTORE}"
        return Finding("keys", "warn", f"{place} holds no key", todo)
    return Finding("keys", "ok", f"{place} is made at the first start")


def _place(settings: Settings) -> str:
    provider = settings.keys.provider.value
    if provider == "environment":
        return "SCROLLINTEL_MASTER_KEY"
    return (settings.keys.command or ("",))[0] if provider == "command" else str(settings.keys_directory)


def _has_no_key_file(settings: Settings) -> bool:
    if settings.keys.provider.value != "file":
        return False
    folder = settings.keys_directory
    try:
        return not folder.exists() or (folder.is_dir() and not any(folder.glob("key-*.key")))
    except OSError:  # what cannot be looked into is told when it is read
        return False


def _provider(settings: Settings) -> KeyProvider:
    """Return the keys as the server gets them; none is made.

    Raises:
        KeyUnavailableError: when there is none, or it cannot be used.
    """
    from ..security.key_files import FileKeyProvider
    from ..security.key_providers import CommandKeyProvider, EnvironmentKeyProvider

    provider = settings.keys.provider.value
    if provider == "environment":
        return EnvironmentKeyProvider(warns=False)
    if provider == "command":
        return CommandKeyProvider(settings.keys.command or ())
    return FileKeyProvider(settings.keys_directory)


def _needed(url: str) -> frozenset[str] | None:
    """Return the ids of the keys that the database's own keys are wrapped in; None when it cannot be read."""
    from ..storage.engine import Database
    from ..storage.maintenance import schema_step

    try:
        if schema_step(url).step is None:
            return frozenset()
        store = Database(url)
        try:
            with store.reader() as connection:
                return frozenset(str(row[0]) for row in connection.exec_driver_sql(_IN_USE))
        finally:
            store.dispose()
    except (ScrollIntelError, OSError):
        return None
