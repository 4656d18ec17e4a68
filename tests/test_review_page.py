"""The review page over HTTP and in a real Chromium: nothing is lost, nothing of a table is taken for HTML."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from signal import SIGINT
from urllib.parse import urlencode

import pytest
from browser import CHROMIUM, browser
from review_lake import NOON, POLICY, ROOT, waiting, write_queue

from jobs.review import main
from reasongen.errors import ConfigError
from reasongen.review import ReviewServer, Waiting, add_waiting, read_decisions, read_waiting, standing, state_of
from reasongen.review.page import current, id_of, parts_of
from reasongen.review.session import COOKIE

TOKEN = "a-token-for-the-tests-alone"
NASTY = '<script>alert(1)</script> feels velvety & "soft" [i.this].'
ROWS = [
    waiting("You looked at [e1.items] [e1.when], and the desk lamp feels velvety.", "velvety", 41, frames=3),
    waiting(NASTY, "velvety", 30),
    waiting("你最近看过[e1.items]，这盏台灯摸起来像云。", "像云", 12, locale="zh"),
]


class Reader:
    """A browser without a screen: keeps its cookie, and the word of its forms."""

    def __init__(self, server: ReviewServer, name: str | None = "ann", token: str = "") -> None:
        self.port = server.server_address[1]
        self.cookie = ""
        self.form = ""
        if name is not None:
            told = self.post("/enter", name=name, token=token)
            assert told.status == 303
            self.cookie = str(told.headers["Set-Cookie"]).partition(";")[0]
            found = re.search(r'name="form" value="([^"]+)"', self.get("/"))
            assert found is not None
            self.form = found[1]

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        told = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded", **headers}
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in told.items() if value})
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> str:
        return str(self.ask("GET", path, **headers).text)  # type: ignore[attr-defined]

    def post(self, path: str, *, origin: str = "", **fields: str) -> http.client.HTTPResponse:
        return self.ask("POST", path, urlencode({"form": self.form, **fields}), Origin=origin)

    def decide(self, row: Waiting, verb: str, **fields: str) -> http.client.HTTPResponse:
        return self.post("/decide", id=id_of(row), decision=verb, **fields)


@contextmanager
def served(root: Path, rows: list[Waiting], host: str = "127.0.0.1") -> Iterator[ReviewServer]:
    with ReviewServer(write_queue(root, rows), host) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    with served(tmp_path / "lake", ROWS) as found:
        yield found


def said(server: ReviewServer) -> list[tuple[str, str]]:
    return [(one.reviewer, one.decision) for one in read_decisions(server.config.root)]


def test_a_decision_is_kept_with_what_was_shown(server: ReviewServer) -> None:
    ann = Reader(server)
    first = ROWS[0]
    answer = ann.decide(first, "accept")
    assert answer.status == 303
    (made,) = read_decisions(server.config.root)
    assert (made.reviewer, made.decision, made.policy_version) == ("ann", "accept", POLICY)
    assert (made.skeleton_hash, made.doubts, made.frames) == (first.skeleton_hash, first.doubts, first.frames)
    lifted = standing([made], POLICY).accepted["en", first.skeleton_hash]
    assert [one.words for one in lifted.doubts] == ["velvety"]
    assert len(lifted.frames) == 3
    assert "To judge <b>2</b>" in ann.get("/")
    assert "Accepted." in ann.get(answer.headers["Location"])
    assert "Your word: Accept" in ann.get("/?view=mine")


def test_an_edit_a_label_and_a_note_are_kept(server: ReviewServer) -> None:
    ann = Reader(server)
    assert ann.decide(ROWS[0], "edit", edited=" [i.this] may suit you. ", note="kinder").status == 303
    assert ann.decide(ROWS[1], "label", label="tone").status == 303
    edit, label = read_decisions(server.config.root)
    assert (edit.edited, edit.note, edit.label) == ("[i.this] may suit you.", "kinder", None)
    assert (label.edited, label.note, label.label) == (None, None, "tone")
    assert standing([edit, label], POLICY).accepted == {}
    assert "To judge <b>2</b>" in ann.get("/")


@pytest.mark.parametrize(
    "fields",
    [
        {"decision": "publish"},
        {"decision": "edit", "edited": " "},
        {"decision": "edit", "edited": ROWS[0].skeleton},
        {"decision": "label"},
        {"decision": "label", "label": "nice"},
        {"decision": "accept", "id": "en-0-0"},
    ],
)
def test_what_is_no_decision_changes_nothing(server: ReviewServer, fields: dict[str, str]) -> None:
    assert Reader(server).post("/decide", **{"id": id_of(ROWS[0]), **fields}).status == 400
    assert said(server) == []


def test_rows_of_two_versions_of_the_rules_are_two_rows() -> None:
    """The licences' digest ends both."""
    older = replace(ROWS[0], policy_version=ROWS[0].policy_version.replace("structural-2", "structural-1"))
    assert older != ROWS[0]
    assert id_of(older) != id_of(ROWS[0])


def test_a_cookie_of_another_program_locks_nobody_out(server: ReviewServer) -> None:
    cookie = server.sessions.enter("ann", "")
    assert cookie is not None
    for others in ('prefs={"a":1,"b":2}; ', "a=b c; ", "x; "):
        session = server.sessions.of(f"{others}{COOKIE}={cookie}")
        assert session is not None
        assert session.reviewer == "ann"


def test_two_at_once_lose_nothing(server: ReviewServer) -> None:
    readers = [Reader(server, name) for name in ("ann", "bob")]

    def judge(reader: Reader) -> None:
        for number in range(12):
            assert reader.decide(ROWS[number % 3], "accept" if number % 2 else "refuse").status == 303

    threads = [threading.Thread(target=judge, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said(server)) == sorted(
        (who, verb) for who in ("ann", "bob") for verb in ("accept", "refuse") for _ in range(6)
    )


def test_who_decides_after_another_is_told_and_both_words_stand(server: ReviewServer) -> None:
    ann, bob = Reader(server), Reader(server, "bob & co")
    assert ann.get("/").count('class="card"') == 3
    bob.decide(ROWS[0], "refuse")
    assert json.loads(ann.get("/news")) == {id_of(ROWS[0]): ["bob & co"]}
    answer = ann.decide(ROWS[0], "accept")
    page = ann.get(answer.headers["Location"])
    assert "Meanwhile bob &amp; co has judged it too" in page
    assert said(server) == [("bob & co", "refuse"), ("ann", "accept")]
    assert standing(read_decisions(server.config.root), POLICY).refused == {("en", ROWS[0].skeleton_hash)}
    assert "bob &amp; co: Refuse" in ann.get("/?view=mine")


def test_what_another_said_is_not_told_before_one_has_judged(server: ReviewServer) -> None:
    ann, bob = Reader(server), Reader(server, "bob")
    bob.decide(ROWS[0], "refuse")
    second = ann.get("/?view=second")
    assert "bob: has judged it" in second
    assert "bob: Refuse" not in second
    assert "To judge <b>2</b>" in second


def test_agreement_is_shown(server: ReviewServer) -> None:
    ann, bob = Reader(server), Reader(server, "bob")
    for row, theirs in zip(ROWS, ("accept", "refuse", "accept"), strict=True):
        ann.decide(row, "refuse" if row is ROWS[1] else "accept")
        bob.decide(row, theirs)
    assert "3 were judged by two or more people, 3 of them with one word." in ann.get("/")
    assert "alpha 1.00" in ann.get("/")
    state = state_of(server.config.root)
    assert (state.waiting, state.accept, state.refuse, state.reviewers) == (0, 2, 1, 2)


def test_texts_are_escaped(server: ReviewServer) -> None:
    page = Reader(server, "<b>ann</b>").get("/?who=<script>&said=meanwhile")
    assert page.count("<script") == 1
    assert '<script src="/review.js">' in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; feels <mark>velvety</mark> &amp; " in page
    assert "<b>ann</b>" not in page


def test_nothing_of_a_user_s_history_is_filled_in(server: ReviewServer) -> None:
    page = re.sub(r"<[^>]+>", "", Reader(server).get("/"))
    assert "You looked at things from their history lately, and the desk lamp feels velvety." in page
    assert "你最近看过几件商品，这盏台灯摸起来像云。" in page
    assert "e1 looked at · a few things · both are durable" in page


def test_the_language_is_the_reader_s(server: ReviewServer) -> None:
    ann = Reader(server)
    assert "等待人工判断的文案" in ann.get("/", Accept_Language="zh-CN,zh")
    answer = ann.ask("GET", "/?language=zh")
    assert "language=zh" in answer.headers["Set-Cookie"]
    ann.cookie += "; language=zh"
    assert '<html lang="zh-Hans">' in ann.get("/")


def test_another_site_decides_nothing(server: ReviewServer) -> None:
    ann = Reader(server)
    here = f"http://127.0.0.1:{ann.port}"
    fields = {"id": id_of(ROWS[0]), "decision": "accept"}
    assert ann.post("/decide", origin="http://evil.example", **fields).status == 403
    assert ann.post("/decide", origin="null", **fields).status == 403
    assert (
        ann.ask("POST", "/decide", urlencode({"form": ann.form, **fields}), Sec_Fetch_Site="cross-site").status == 403
    )
    assert ann.ask("POST", "/decide", urlencode(fields)).status == 403
    assert ann.ask("POST", "/decide", urlencode({"form": "x", **fields})).status == 403
    assert ann.ask("POST", "/decide", urlencode({"form": Reader(server, "bob").form, **fields})).status == 403
    assert ann.ask("GET", "/", Host=f"evil.example:{ann.port}").status == 403
    assert ann.ask("GET", f"/decide?{urlencode(fields)}").status == 404
    assert said(server) == []
    assert ann.post("/decide", origin=here, **fields).status == 303


def test_nobody_reads_or_decides_without_entering(server: ReviewServer) -> None:
    nobody = Reader(server, None)
    for path in ("/", "/news", "/?view=mine"):
        assert "velvety" not in nobody.get(path)
    assert nobody.decide(ROWS[0], "accept").status == 403
    ann = Reader(server)
    assert ann.post("/leave").status == 303
    assert ann.decide(ROWS[0], "accept").status == 403
    assert nobody.post("/enter", name="  ").status == 403
    assert nobody.post("/enter", name="x" * 41).status == 403
    assert said(server) == []


def test_a_body_without_end_is_not_read(server: ReviewServer) -> None:
    ann = Reader(server)
    assert ann.ask("POST", "/decide", "", Content_Length="9999999").status == 413
    assert ann.ask("POST", "/decide", "", Content_Length="-1").status == 411


def test_other_machines_need_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REASONGEN_REVIEW_TOKEN", raising=False)
    config = write_queue(tmp_path / "lake", ROWS)
    with pytest.raises(ConfigError, match="wanted a token of at least 16 bytes"):
        ReviewServer(config, "0.0.0.0")
    monkeypatch.setenv("REASONGEN_REVIEW_TOKEN", "short")
    with pytest.raises(ConfigError) as fault:
        ReviewServer(config, "0.0.0.0")
    assert "short" not in str(fault.value)
    monkeypatch.setenv("REASONGEN_REVIEW_TOKEN", TOKEN)
    with served(tmp_path / "other", ROWS, "0.0.0.0") as server:
        nobody = Reader(server, None)
        assert 'type="password"' in nobody.get("/")
        assert nobody.post("/enter", name="ann").status == 403
        assert nobody.post("/enter", name="ann", token=f"{TOKEN}x").status == 403
        assert "velvety" not in nobody.get(f"/?token={TOKEN}")
        ann = Reader(server, "ann", TOKEN)
        page = ann.get("/", Host="review.example")
        assert "velvety" in page
        assert TOKEN not in page + ann.cookie
        assert ann.decide(ROWS[0], "accept").status == 303


def test_a_token_that_is_set_is_asked_for_on_this_machine_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONGEN_REVIEW_TOKEN", "short")
    with pytest.raises(ConfigError, match="wanted a token of at least 16 bytes"):
        ReviewServer(write_queue(tmp_path / "lake", ROWS))
    monkeypatch.setenv("REASONGEN_REVIEW_TOKEN", TOKEN)
    with served(tmp_path / "other", ROWS) as server:
        nobody = Reader(server, None)
        assert nobody.post("/enter", name="ann").status == 403
        assert "velvety" in Reader(server, "ann", TOKEN).get("/")


def test_a_row_stands_in_the_queue_once(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    write_queue(tmp_path / "lake", ROWS)
    add_waiting(root, [replace(ROWS[0], pairs=99, run_id="later"), waiting("A new one.", "new", 1)])
    found = read_waiting(root)
    assert [(one.pairs, one.run_id[-6:]) for one in found] == [(n, "000001") for n in (41, 30, 12, 1)]
    add_waiting(root, [])
    assert read_waiting(root) == found


def test_only_the_rules_of_today_are_asked_about() -> None:
    older = waiting("An older one.", "older", 50, policy_version="before", queued_at=NOON - timedelta(1))
    other = waiting("Of another surface.", "another", 5, policy_version="before", scenario="search")
    assert current([older, *ROWS, other]) == [*ROWS, other]


def test_an_example_is_cut_at_doubts_that_overlap() -> None:
    row = waiting("It feels velvety soft.", "velvety soft", 1)
    inner = dict(row.doubts[0]) | {"start": 9, "end": 16, "words": "velvety"}
    parts = parts_of(replace(row, doubts=(*row.doubts, inner)))
    assert [(one.text, one.doubted) for one in parts] == [
        ("It feels ", False),
        ("velvety", True),
        (" soft", True),
        (".", False),
    ]


def test_the_job_tells_and_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("REASONGEN_REVIEW_TOKEN", raising=False)
    given = ["--config", "conf/local.yaml", "--set", f"root={tmp_path}/lake"]
    assert main([*given, "--state"]) == 0
    assert "review: 0 wait" in capsys.readouterr().out
    write_queue(tmp_path / "lake", ROWS)
    assert main([*given, "--state", "--json", str(tmp_path / "state.json")]) == 0
    assert "review: 3 wait; 0 accepted" in capsys.readouterr().out
    assert json.loads((tmp_path / "state.json").read_text())["agreement"] == {"alpha": None, "skeletons": 0, "same": 0}
    assert main([*given, "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "wanted a token" in capsys.readouterr().err
    assert main([*given, "--set", "review.tokn=x"]) == 2
    assert "did you mean `token`" in capsys.readouterr().err


def test_the_job_serves_until_it_is_stopped(tmp_path: Path) -> None:
    write_queue(tmp_path / "lake", ROWS)
    command = [sys.executable, "jobs/review.py", "--config", "conf/local.yaml", "--set", f"root={tmp_path}/lake"]
    process = subprocess.Popen([*command, "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert url is not None
        connection = http.client.HTTPConnection("127.0.0.1", int(url[1]), timeout=20)
        connection.request("GET", "/")
        assert "Your name" in connection.getresponse().read().decode()
        connection.close()
    finally:
        process.send_signal(SIGINT)
        assert process.wait(timeout=20) == 0
        process.stdout.close()


CARDS = [
    *ROWS,
    *(waiting(f"Sentence {number} feels velvety in the hand.", "velvety", 9 - number) for number in range(3)),
]
WIDE = """Array.from(document.querySelectorAll("body *")).filter(function (one) {
  return one.getBoundingClientRect().right > innerWidth + 1;
}).map(function (one) { return one.outerHTML.slice(0, 90); })"""
HERE = "document.querySelector('.card.here .words').textContent.slice(0, 14)"


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_reviewer_works_by_keys_alone_on_a_desk_and_on_a_telephone(tmp_path: Path) -> None:
    with served(tmp_path / "lake", CARDS) as server, browser(tmp_path / "profile") as page:
        page.resize(1280, 900)
        page.open(server.url)
        page.wait(lambda: page.run("document.activeElement.name") == "name")
        page.type("ann")
        page.press_and_load("Enter")
        for width, language in ((1280, "en"), (390, "en"), (390, "zh")):
            page.resize(width, 844)
            page.open(f"{server.url}?language={language}")
            assert page.run("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
            assert page.run(WIDE) == []
            assert page.run("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
        page.open(f"{server.url}?language=en")
        assert page.run(HERE) == "You looked at "
        assert page.run("document.querySelectorAll('.words script').length") == 0
        page.press("?")
        assert page.run("document.getElementById('help').open")
        page.press("a")  # the help is no card
        page.press("Escape")
        page.press("j")
        page.press("j")
        page.press("k")
        assert page.run(HERE) == "<script>alert("
        page.press_and_load("r")
        assert page.run(HERE) == "你最近看过几件商品，这盏台灯"
        page.press_and_load("a")
        page.press("e")
        page.press("j")  # a letter in a field
        page.press_and_load("Enter", ctrl=True)
        page.press("l")
        page.press("Escape")
        page.press("l")
        page.press_and_load("Enter", ctrl=True)
        told = [(one.decision, one.edited, one.label) for one in read_decisions(server.config.root)]
        assert [verb for verb, _, _ in told] == ["refuse", "accept", "edit", "label"]
        assert (told[2][1], told[3][2]) == (f"j{CARDS[3].skeleton}", "none")
        Reader(server, "bob").decide(CARDS[0], "accept")
        page.wait(lambda: page.run("(document.querySelector('.card .news:not([hidden])') || {}).textContent"))
        assert page.run("document.querySelector('.card .news:not([hidden])').textContent") == "bob: has judged it"
        assert page.console == []
