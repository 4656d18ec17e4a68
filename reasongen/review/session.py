"""Who is at the page, and whether a request is hers. Knows no table, and keeps nothing when the page stops.

A reviewer enters with a name, and with the token where the page is open to other machines. After that a cookie says who
she is, and every decision carries a word that no other site can know.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from threading import Lock

from reasongen.config import ReviewSettings
from reasongen.errors import ConfigError
from reasongen.secret import MIN_KEY_BYTES, read_secret

COOKIE = "review"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_NAME = 40
_MOST = 1000


@dataclass(frozen=True)
class Session:
    """One reviewer at one browser. `form`: stands in each of her forms."""

    reviewer: str
    form: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


class Sessions:
    """All who entered since the page began. `token`: None on this machine alone."""

    def __init__(self, token: bytes | None) -> None:
        self.token = token
        self._by_cookie: dict[str, Session] = {}
        self._lock = Lock()

    def enter(self, name: str, token: str) -> str | None:
        """The value of the new cookie; None where the token is not ours, or the name is none."""
        name = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
        if not name or len(name) > MAX_NAME:
            return None
        if self.token is not None and not hmac.compare_digest(token.encode(), self.token):
            return None
        cookie = secrets.token_urlsafe(24)
        with self._lock:
            while len(self._by_cookie) >= _MOST:
                del self._by_cookie[next(iter(self._by_cookie))]
            self._by_cookie[cookie] = Session(name)
        return cookie

    def of(self, cookies: str | None) -> Session | None:
        """Whose the request is; `cookies`: its header."""
        # By hand: cookies of this machine are shared by all its ports, and one that SimpleCookie cannot read voids all.
        parts = (part.strip().partition("=") for part in (cookies or "").split(";"))
        found = next((value for name, _, value in parts if name == COOKIE), "")
        return self._by_cookie.get(found)

    def leave(self, session: Session) -> None:
        """Her cookie is worth nothing any more."""
        with self._lock:
            self._by_cookie = {cookie: one for cookie, one in self._by_cookie.items() if one is not session}


def token_for(host: str, settings: ReviewSettings) -> bytes | None:
    """What a reviewer must show at `host`. None: no token is set, and only this machine reaches it. Raises ConfigError
    where others can reach it and there is no token, and where there is a short one."""
    token = read_secret(settings.token)
    if not token and host in LOOPBACK:
        return None
    if len(token) < MIN_KEY_BYTES:
        raise ConfigError(
            f"--host: wanted a token of at least {MIN_KEY_BYTES} bytes where review.token points, for who comes to"
            f" {host}; found {len(token) or 'none'}. Set it, or unset it and leave --host at 127.0.0.1."
        )
    return token


def is_our_name(host: str, port: int) -> bool:
    """Whether a `Host` header names this machine: a name of somebody else's that he turned to it does not."""
    return host in {f"{name}:{port}" for name in (*LOOPBACK[:2], "[::1]")}


def is_same_origin(headers: Message | Mapping[str, str]) -> bool:
    """Whether a form was sent by a page of ours or by a program, and not by another site."""
    if (origin := headers.get("Origin")) is not None:
        return origin in (f"http://{headers.get('Host')}", f"https://{headers.get('Host')}")
    return headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
