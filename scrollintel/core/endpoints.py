"""Addresses by name that can change while the process runs, so that callers follow when work moves elsewhere."""

from __future__ import annotations

import re

from .config.base import check_name
from .errors import ConfigError, NotFoundError, Violation
from .locks import CONFIGURING

MAX_ADDRESS = 500
"""Characters of an address at most."""
_UNUSABLE = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_address(value: object) -> str:
    """Return `value` when it can be an address.

    Arguments:
        value: Text of 1 to 500 characters without blanks and control characters, such as "db-2:5432" or an URL.

    Raises:
        ConfigError: when it is not.
    """
    if not isinstance(value, str) or not value or len(value) > MAX_ADDRESS or _UNUSABLE.search(value):
        allowed = f"text of 1 to {MAX_ADDRESS} characters without blanks and control characters"
        raise ConfigError("endpoint", [Violation("address", value, allowed)])
    return value


class Endpoint:
    """One address by name; read `address` for every new connection. Any thread may read and change it.

    An order of the control plane holds as long as it stands; otherwise what `use` was given last.
    """

    __slots__ = ("_address", "_own", "name", "order")

    def __init__(self, name: str) -> None:
        self.name = name
        self.order: tuple[str, int] | None = None
        self._own: str | None = None
        self._address: str | None = None

    @property
    def address(self) -> str:
        """The address to use now.

        Raises:
            NotFoundError: when neither `use` nor the control plane has given one.
        """
        found = self._address  # read once: another thread may change it
        if found is None:
            raise NotFoundError("address of endpoint", self.name)
        return found

    def use(self, address: str) -> None:
        """Use an address of this process's own choice, unless and until the control plane orders another.

        Raises:
            ConfigError: when it is no usable address.
        """
        checked = check_address(address)
        with CONFIGURING:
            self._own = checked
            self._settle()

    def point(self, address: str, sequence: int = 0) -> None:
        """Follow an order of the control plane; one that is older than the order that stands changes nothing.

        Arguments:
            address: The address from now on.
            sequence: Number of the order; 0 for one without.

        Raises:
            ConfigError: when it is no usable address.
        """
        checked = check_address(address)
        with CONFIGURING:
            if self.order is None or sequence == 0 or sequence >= self.order[1]:
                self.order = (checked, sequence)
                self._settle()

    def release(self, sequence: int = 0) -> None:
        """End the order of the control plane, unless it is newer than `sequence`; 0 ends any."""
        with CONFIGURING:
            if self.order is not None and (sequence == 0 or sequence >= self.order[1]):
                self.order = None
                self._settle()

    def _settle(self) -> None:
        self._address = self._own if self.order is None else self.order[0]

    def __repr__(self) -> str:
        return f"<Endpoint {self.name!r} {self._address!r}>"


class Endpoints:
    """The endpoints of one registry."""

    def __init__(self) -> None:
        self._known: dict[str, Endpoint] = {}

    def get(self, name: str, address: str | None = None) -> Endpoint:
        """Return the endpoint of that name, always the same one.

        Arguments:
            name: Its name.
            address: What to use until somebody says otherwise; ignored when one is known, None (default) for none.

        Raises:
            ConfigError: when the name or the address is not usable.
        """
        with CONFIGURING:
            found = self._known.get(name)
            if found is None:
                found = self._known[name] = Endpoint(check_name(name, "endpoint"))
            if address is not None and found._own is None:
                found.use(address)
            return found

    def all(self) -> list[Endpoint]:
        """Return all that are known."""
        with CONFIGURING:
            return list(self._known.values())
