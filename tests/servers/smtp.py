"""A small real SMTP server on this machine that keeps the mails that it takes."""

from __future__ import annotations

import socketserver
import ssl
import threading
from types import TracebackType
from typing import NamedTuple, Self

from .certificates import Certificate


class Mail(NamedTuple):
    """One mail as the server took it."""

    sender: str
    recipients: tuple[str, ...]
    content: str
    encrypted: bool
    login: str | None


class SmtpServer:
    """Speaks enough of RFC 5321 for a client, with STARTTLS and AUTH PLAIN when it has a certificate.

    Arguments:
        certificate: For STARTTLS; None offers none.
        greetings: What it says first, one for each connection in turn; the last one is repeated.
    """

    def __init__(self, certificate: Certificate | None = None, greetings: tuple[str, ...] = ("220 test",)) -> None:
        self.mails: list[Mail] = []
        self.news = threading.Condition()
        self._greetings = list(greetings)
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.chain, certificate.key)
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                _Session(server, self.request).run()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def wait(self, count: int, seconds: float = 10.0) -> list[Mail]:
        """Wait until that many mails have come, and return all."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.mails) >= count, seconds), f"{len(self.mails)} of {count}"
            return list(self.mails)

    def greeting(self) -> str:
        """Return what is said first to the next client."""
        return self._greetings.pop(0) if len(self._greetings) > 1 else self._greetings[0]

    @property
    def context(self) -> ssl.SSLContext | None:
        """What encrypts, or None."""
        return self._context

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Session:
    """One connection."""

    def __init__(self, server: SmtpServer, connection: ssl.SSLSocket) -> None:
        self._server = server
        self._socket = connection
        self._socket.settimeout(10.0)
        self._file = connection.makefile("rb")
        self._sender = ""
        self._recipients: list[str] = []
        self._encrypted = False
        self._login: str | None = None

    def run(self) -> None:
        """Answer commands until the client goes."""
        try:
            greeting = self._server.greeting()
            self._say(greeting)
            while greeting.startswith("220"):
                line = self._file.readline().decode().strip()
                if not line or not self._answer(line):
                    return
        except OSError:
            return
        finally:
            self._file.close()
            self._socket.close()

    def _say(self, text: str) -> None:
        self._socket.sendall(f"{text}\r\n".encode())

    def _answer(self, line: str) -> bool:
        word = line.split(" ", maxsplit=1)[0].upper()
        if word == "EHLO":
            offers = ["250-test"]
            offers += ["250-STARTTLS"] if self._server.context is not None and not self._encrypted else []
            offers += ["250-AUTH PLAIN"] if self._encrypted else []
            self._say("\r\n".join([*offers, "250 8BITMIME"]))
        elif word == "STARTTLS" and self._server.context is not None:
            self._say("220 go ahead")
            self._file.close()
            self._socket = self._server.context.wrap_socket(self._socket, server_side=True)
            self._file = self._socket.makefile("rb")
            self._encrypted = True
        elif word == "AUTH":
            self._login = line.split(" ")[2]
            self._say("235 welcome")
        elif word == "DATA":
            self._take()
        elif word == "QUIT":
            self._say("221 bye")
            return False
        else:
            if word == "MAIL":
                self._sender, self._recipients = line.split("<")[1].split(">", maxsplit=1)[0], []
            elif word == "RCPT":
                self._recipients.append(line.split("<")[1].split(">", maxsplit=1)[0])
            self._say("250 fine")
        return True

    def _take(self) -> None:
        self._say("354 go on")
        lines: list[str] = []
        while (line := self._file.readline().decode()) not in (".\r\n", ""):
            lines.append(line)
        mail = Mail(self._sender, tuple(self._recipients), "".join(lines), self._encrypted, self._login)
        with self._server.news:
            self._server.mails.append(mail)
            self._server.news.notify_all()
        self._say("250 taken")
