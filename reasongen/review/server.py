"""The page over HTTP: reads both tables at every look, writes one append for every decision. No framework, no Spark."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from time import sleep
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from reasongen.config import NightConfig
from reasongen.errors import ConfigError
from reasongen.review.decisions import LABELS, Decision, Waiting
from reasongen.review.page import LANGUAGES, VIEWS, Asked, cards, file_of, id_of, render_entrance, render_queue
from reasongen.review.session import COOKIE, LOOPBACK, Session, Sessions, is_our_name, is_same_origin, token_for
from reasongen.review.store import add_decision, read_decisions, read_waiting
from reasongen.schema import DECISIONS
from reasongen.validation import load_policy

MAX_BODY = 32 << 10
MAX_TEXT = 1000
MAX_WHO = 200
_FILES = {"/review.css": "text/css; charset=utf-8", "/review.js": "text/javascript; charset=utf-8"}
_ALWAYS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would not say where a form comes from
    "Cache-Control": "no-store",
}
_WRONG_TOKEN_SECONDS = 0.5
_LANGUAGE = "language"
_YEAR = 365 * 24 * 3600


class ReviewServer(ThreadingHTTPServer):
    """The page of one lake. `token`: as `token_for` gives it."""

    daemon_threads = True

    def __init__(self, config: NightConfig, host: str = LOOPBACK[0], port: int = 0) -> None:
        self.config = config
        self.local = host in LOOPBACK
        self.sessions = Sessions(token_for(host, config.review))
        self.sources = {rule.id: rule.source for rule in load_policy(*config.policies).rules}
        self.address_family = AF_INET6 if ":" in host else AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise ConfigError(
                f"--port: wanted a free port of {host}; found {port}: {error.strerror}. Give --port PORT."
            ) from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line: what went wrong, and nothing of what was asked."""
        print(f"review: a request failed: {type(sys.exc_info()[1]).__name__}", file=sys.stderr)

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host, port = self.server_address[:2]
        return f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}/"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    timeout = 30
    server_version = "reasongen"
    sys_version = ""

    def do_GET(self) -> None:
        """Files, the entrance, what is new, the queue."""
        if not self._is_ours():
            return
        path = urlsplit(self.path).path
        if path in _FILES:
            self._send(file_of(path[1:]), kind=_FILES[path])
        elif path not in ("/", "/news"):
            self._refuse(HTTPStatus.NOT_FOUND)
        elif (session := self._session) is None:
            self._entrance()
        elif path == "/news":
            self._news(session)
        else:
            self._queue(session)

    def do_POST(self) -> None:
        """Enter, decide, leave."""
        if not self._is_ours() or (form := self._form()) is None:
            return
        path, session = urlsplit(self.path).path, self._session
        if path == "/enter":
            self._enter(form)
        elif session is None:
            self._entrance(HTTPStatus.FORBIDDEN)
        elif form.get("form") != session.form:
            self._refuse(HTTPStatus.FORBIDDEN)
        elif path == "/decide":
            self._decide(session, form)
        elif path == "/leave":
            self.server.sessions.leave(session)
            self._go("/")
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a request's line tells who reads what."""

    @property
    def _session(self) -> Session | None:
        return self.server.sessions.of(self.headers.get("Cookie"))

    @property
    def _query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @cached_property
    def _language(self) -> str:
        said = [self._query.get(_LANGUAGE, "")]
        said += [part.strip() for part in (self.headers.get("Cookie") or "").split(";")]
        for one in said:
            if (name := one.removeprefix(f"{_LANGUAGE}=")) in LANGUAGES:
                return name
        return "zh" if (self.headers.get("Accept-Language") or "").lower().startswith("zh") else "en"

    def _is_ours(self) -> bool:
        host, port = self.headers.get("Host") or "", self.server.server_address[1]
        ours = not self.server.local or is_our_name(host, port)
        if self.command == "POST":
            ours = ours and is_same_origin(self.headers)
        if not ours:
            self._refuse(HTTPStatus.FORBIDDEN)
        return ours

    def _form(self) -> dict[str, str] | None:
        """The fields of the body; None, and an answer, where there is none to take."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE if length.isdecimal() else HTTPStatus.LENGTH_REQUIRED)
            return None
        try:
            body = self.rfile.read(int(length)).decode()
            return {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}
        except ValueError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return None

    def _enter(self, form: Mapping[str, str]) -> None:
        cookie = self.server.sessions.enter(form.get("name", ""), form.get("token", ""))
        if cookie is None:
            sleep(_WRONG_TOKEN_SECONDS)
            self._entrance(HTTPStatus.FORBIDDEN, wrong=True)
        else:
            self._go("/", cookie=f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict")

    def _entrance(self, status: HTTPStatus = HTTPStatus.OK, *, wrong: bool = False) -> None:
        token = self.server.sessions.token is not None
        self._send(render_entrance(self._language, token=token, wrong=wrong).encode(), status)

    def _queue(self, session: Session) -> None:
        query = self._query
        view = query.get("view", VIEWS[0])
        page = query.get("page", "1")
        asked = Asked(
            view if view in VIEWS else VIEWS[0],
            int(page) if page.isdecimal() and len(page) < 7 else 1,
            query.get("at", ""),
            said if (said := query.get("said", "")) in (*DECISIONS, "meanwhile") else "",
            query.get("who", "")[:MAX_WHO],
        )
        root = self.server.config.root
        told = (read_waiting(root), read_decisions(root), session, self._language, asked, self.server.sources)
        self._send(render_queue(*told).encode())

    def _news(self, session: Session) -> None:
        """Who judged which row, by the row's id: for a page that stands open."""
        root = self.server.config.root
        found = cards(read_waiting(root), read_decisions(root), session.reviewer)
        told = {one.id: [who for who, _ in one.others] for view in found.values() for one in view if one.others}
        self._send(json.dumps(told).encode(), kind="application/json")

    def _decide(self, session: Session, form: Mapping[str, str]) -> None:
        root, view = self.server.config.root, form.get("view", VIEWS[0])
        row = next((one for one in read_waiting(root) if id_of(one) == form.get("id")), None)
        if row is None or (decision := decision_of(row, session.reviewer, form)) is None:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        add_decision(root, decision)
        found = cards([row], read_decisions(root), session.reviewer)
        seen = set(form.get("seen", "").splitlines())  # a browser sends CR LF
        late = [who for one in found["mine"] for who, _ in one.others if who not in seen]
        said = {"said": "meanwhile", "who": ", ".join(late)} if late else {"said": decision.decision}
        self._go("/?" + urlencode({"view": view, "page": form.get("page", "1"), "at": form.get("next", ""), **said}))

    def _go(self, where: str, cookie: str | None = None) -> None:
        more = {"Location": where} | ({} if cookie is None else {"Set-Cookie": cookie})
        self._send(b"", HTTPStatus.SEE_OTHER, more=more)

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(f"{status.value} {status.phrase}\n".encode(), status, kind="text/plain; charset=utf-8")

    def _send(
        self,
        body: bytes,
        status: HTTPStatus = HTTPStatus.OK,
        kind: str = "text/html; charset=utf-8",
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        language = self._query.get(_LANGUAGE)
        if language in LANGUAGES:
            self.send_header("Set-Cookie", f"{_LANGUAGE}={language}; Path=/; Max-Age={_YEAR}; SameSite=Strict")
        for name, value in {**_ALWAYS, "Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def decision_of(
    row: Waiting, reviewer: str, form: Mapping[str, str], now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Decision | None:
    """What a form says of a row, with what the row showed; None where it is no decision: an unknown word, an edit
    without another text, a label that is none of ours."""
    verb = form.get("decision", "")
    edited, note, label = ((form.get(name) or "").strip()[:MAX_TEXT] or None for name in ("edited", "note", "label"))
    if verb not in DECISIONS or (label is not None and label not in LABELS):
        return None
    if (verb == "edit" and edited in (None, row.skeleton)) or (verb == "label" and label is None):
        return None
    return Decision(
        *row.key,
        verb,  # type: ignore[arg-type]
        row.doubts,
        row.frames,
        edited if verb == "edit" else None,
        label if verb == "label" else None,
        note,
        reviewer,
        now(),
    )
