"""A browser as far as cookies and redirects go, in front of a control plane in this process."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.servers.control_plane import PREFIX

ORIGIN = "http://127.0.0.1"
SESSION = "/session"
COOKIE = "__Host-scrollintel"


class Browser:
    """Keeps cookies, sends `Origin` as browsers do, and shows the session's csrf value on what changes something.

    Arguments:
        client: Speaks to the control plane.

    Attributes:
        cookies: Name → value, of those that are kept.
        said: Name → attributes of the cookie as the server gave it last, in lower case.
        csrf: What requests show; None for nothing.
    """

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.cookies: dict[str, str] = {}
        self.said: dict[str, set[str]] = {}
        self.csrf: str | None = None

    async def send(self, method: str, path: str, **options: Any) -> httpx2.Response:  # Any: options of a request
        """Send a request below the API's prefix, or to another path of the server; headers of None are left out."""
        headers: dict[str, str | None] = {"Sec-Fetch-Site": "same-origin"}
        if method not in ("GET", "HEAD"):
            headers |= {"Origin": ORIGIN, "X-CSRF-Token": self.csrf}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers |= options.pop("headers", {})
        given = {name: value for name, value in headers.items() if value is not None}
        url = ORIGIN + path if path.startswith(PREFIX) else path
        answer = await self._client.request(method, url, headers=given, follow_redirects=False, **options)
        for header in answer.headers.get_list("set-cookie"):
            self._keep(header)
        return answer

    def _keep(self, header: str) -> None:
        pair, *attributes = (part.strip() for part in header.split(";"))
        name, _, value = pair.partition("=")
        self.said[name] = {attribute.lower() for attribute in attributes}
        if "max-age=0" in self.said[name]:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    async def sign_in(self, token: str) -> httpx2.Response:
        """Sign in with an API token."""
        answer = await self.send("POST", SESSION, json={"token": token})
        if answer.status_code == 200:
            self.csrf = answer.json()["csrf"]
        return answer

    async def shown(self) -> dict[str, Any]:
        """Return what the page is told of the session."""
        answer = await self.send("GET", SESSION)
        assert answer.status_code == 200
        document: dict[str, Any] = answer.json()
        self.csrf = document["csrf"]
        return document

    async def leave(self) -> httpx2.Response:
        """Leave for the provider; the answer says where."""
        return await self.send("GET", f"{SESSION}/provider", headers={"Sec-Fetch-Site": "none"})

    async def come_back(self, url: str) -> httpx2.Response:
        """Come back from the provider, as the provider has sent the browser."""
        parts = urlsplit(url)
        return await self.send("GET", f"{parts.path}?{parts.query}", headers={"Sec-Fetch-Site": "cross-site"})
