"""A night's page over hand-made tables: what it says of every kind of night, and what it must never hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from report_lake import (
    NIGHT,
    ROOT,
    SCENARIO,
    claim,
    config_over,
    reason_rows,
    run_row,
    sample_row,
    write_lake,
)

from jobs.report import main
from reasongen.report import Written, write_report
from reasongen.report.words import known

TEXT = "The Secret tent you looked at and this tent are both waterproof."
SKELETON = "The [e1.title] you looked at and [i.this] are both [e1.word]."
CLAIMS = [
    claim(TEXT, "Secret tent", "e1", "[e1.title]"),
    claim(TEXT, "this tent", "i", "[i.this]"),
    claim(TEXT, "waterproof", "e1", "[e1.word]"),
]
USERS = ["zq-anna", "zq-bert", "zq-cleo"]
VOID = {"meta", "link", "input", "br"}
PageOf = Callable[..., str]


class Reader(HTMLParser):
    """Collects what a reader of one language sees; complains about a tag that is not closed."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self.language, self.open, self.seen = language, [], []  # type: ignore[var-annotated]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("class")))
        self.seen.append(" " * (tag == "br"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag
        self.seen.append(" " * (tag in ("td", "th", "li", "p", "dt", "dd")))

    def handle_data(self, data: str) -> None:
        hidden = {"en": "zh", "zh": "en"}[self.language]
        if not any(tag in ("script", "style") or kind == hidden for tag, kind in self.open):
            self.seen.append(data)


def read(page: str, language: str = "en") -> str:
    reader = Reader(language)
    reader.feed(page)
    assert reader.open == []
    return re.sub(r"\s+", " ", "".join(reader.seen))


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with one published night: a text that three users share."""
    (tmp_path / "items.jsonl").write_text(
        json.dumps({"item_id": "i1", "title": "Ridge tent", "category": "outdoor/tent"}) + "\n"
    )
    rows = reason_rows(USERS, TEXT, skeleton=SKELETON, claims=CLAIMS)
    write_lake(tmp_path / "lake", runs=[run_row()], reasons=rows, generations=[sample_row(SKELETON)])
    write_lake(tmp_path / "lake", quarantine=[refused("zq-anna", "R05_price", "A bargain.", "bargain")])
    return tmp_path / "lake"


def refused(user: str, rule: str, text: str, words: str, **changed: Any) -> dict[str, Any]:
    start = text.index(words)
    failure = {"rule": rule, "start": start, "end": start + len(words), "detail": "version 1: block"}
    row = {"run_id": f"{NIGHT}-{SCENARIO}-000001", "user_id": user, "item_id": "i1", "scenario": SCENARIO}
    return {**row, "sample": 0, "text": text, "failures": [failure], **changed}


def write(lake: Path, *sets: str, run: str | None = None) -> Written:
    return write_report(config_over(lake, lake.parent / "items.jsonl", *sets), run)


def page_of(lake: Path, *sets: str, run: str | None = None) -> str:
    return Path(write(lake, *sets, run=run).page).read_text(encoding="utf-8")


def test_a_page_says_in_a_sentence_what_the_night_came_to_in_both_languages(lake: Path) -> None:
    page = page_of(lake)
    assert "Tonight 9 reasons stand for 12 candidates: 8 new from the model, 1 plain sentences" in read(page)
    assert "3 candidates have none, most of them for this: known to be a minor: no reason is made (2)." in read(page)
    assert "今夜 12 个候选中有 9 个有了理由：模型新写 8 条" in read(page, "zh")
    assert "Tonight" not in read(page, "zh")


def test_the_funnel_tells_every_loss_by_its_code_and_adds_up(lake: Path) -> None:
    page = read(page_of(lake))
    assert "pairs that the recommender wants to show candidates 12 100.0 %" in page
    assert "the item is not in the catalogue rejected.unknown_item −1 8.3 %" in page
    assert "candidates with a reason reasons 9 75.0 %" in page
    assert "no time; left out events.null_ts 7" in page


def test_a_reason_stands_beside_its_evidence_without_what_a_user_s_history_filled_in(lake: Path) -> None:
    page = page_of(lake)
    assert "The title of an item you looked at and this tent are both waterproof." in read(page)
    assert '<u class="item" title="i">this tent</u>' in page
    assert '<u title="e1">waterproof</u>' in page
    assert "e1: looked at · shared word waterproof" in read(page)
    assert "for i1 · Ridge tent · model · users: 3" in read(page)
    assert "outdoor/tent · en" in read(page)


def test_the_setting_says_how_many_must_share_a_text_and_the_page_how_many_it_left_out(lake: Path) -> None:
    assert "are not shown:" not in read(page_of(lake))
    page = page_of(lake, "forget.shared_by=4")
    assert "3 reasons are not shown: each rests on evidence that fewer than 4 users share" in read(page)
    assert "No reason may be shown here." in read(page)
    assert "另有 3 条理由未展示：其依据只有不到 4 位用户共有" in read(page, "zh")
    assert "waterproof" not in page
    assert "[e1.title]" not in page


@pytest.mark.parametrize("alone", [USERS[:1], USERS[:2]])
def test_a_text_that_too_few_share_is_not_shown(lake: Path, alone: Sequence[str]) -> None:
    write_lake(lake, reasons=reason_rows([*alone], "You alone know this stove.", skeleton="only"))
    write_lake(lake, generations=[sample_row("only")])
    page = read(page_of(lake))
    assert f"{len(alone)} reasons are not shown: each rests on evidence that fewer than 3 users share" in page
    assert "You alone know this stove." not in page
    assert "this tent are both" in page


def test_a_text_without_behaviour_is_shown_whoever_gets_it(lake: Path) -> None:
    write_lake(lake, reasons=reason_rows(USERS[:1], "A plain tent.", skeleton="plain", evidence=[]))
    fallback = reason_rows(USERS[:1], "A tent by Ridge.", skeleton="fallback", source="fallback", prompt_hash="x")
    write_lake(lake, reasons=fallback)
    page = read(page_of(lake))
    assert "A plain tent. Rests on the item alone." in page
    assert "A tent by Ridge. Rests on the item alone. for i1 · Ridge tent · catalogue sentence" in page


def test_a_page_holds_no_user_and_nothing_that_only_one_user_read(lake: Path) -> None:
    alone = "Since you bought the Secret stove, a bargain."
    write_lake(lake, quarantine=[refused("zq-bert", "R06_urgency", alone, "Secret stove")])
    page = page_of(lake) + (lake / "report" / "index.html").read_text()
    assert [word for word in ("zq-", "Secret", "a bargain", "2026-02") if word in page] == []
    assert "R06_urgency" in page


def test_refusals_show_what_several_users_would_have_read_and_the_model_s_words(lake: Path) -> None:
    write_lake(lake, quarantine=[refused(user, "R05_price", "A bargain.", "bargain") for user in USERS[1:]])
    page = read(page_of(lake))
    assert "3 texts were refused" in page
    assert "a price or discount that is not stated R05_price 3 bargain × 3 " + SKELETON in page
    assert "i1 · Ridge tent × 3" in page


def test_what_stands_in_tables_is_text_whatever_it_holds(lake: Path) -> None:
    evil = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    (lake.parent / "items.jsonl").write_text(json.dumps({"item_id": "i1", "title": evil, "category": evil}))
    write_lake(lake, reasons=reason_rows(USERS, f"{evil} tent.", skeleton=f"{evil} tent."))
    write_lake(lake, generations=[sample_row(f"{evil} tent.")])
    write_lake(lake, quarantine=[refused(user, evil, f"{evil} x", evil) for user in USERS])
    write_lake(lake, runs=[run_row(token=2, codes={f"events.{evil}": 3}, inputs={evil: evil}, device=evil)])
    page = page_of(lake)
    assert page.count("<script") == 1
    assert "<img" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6
    read(page)


def test_a_page_asks_for_nothing_outside_itself(lake: Path) -> None:
    page = page_of(lake)
    assert re.findall(r"""(?:src|href|action|data|poster)=(?!"(?:#|data:,|index\.html))[^ >]+""", page) == []
    assert re.findall(r"url\(|@import|fetch\(|XMLHttp", page) == []
    assert re.findall(r"https?:(?!//www\.w3\.org/)", page) == []  # names of SVG, not addresses


def test_every_picture_has_words_and_every_heading_its_place(lake: Path) -> None:
    page = page_of(lake)
    assert page.count("<figcaption>") == page.count("<figure>") == page.count("<svg ") > 0
    assert page.count('<svg aria-hidden="true"') == page.count("<svg ")
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_first_night_has_nothing_to_compare_with(lake: Path) -> None:
    page = read(page_of(lake))
    assert "This is the first night on record" in page
    assert "a trend needs two" in page
    assert "Not enough nights yet: 0 of 3." in page


def test_an_unchanged_night_says_so_and_what_stands(lake: Path) -> None:
    pairs = {"candidates": 12, "kept": 9, "skipped.minor": 3, "removed": 0}
    row = run_row(NIGHT + timedelta(1), 2, status="unchanged", pairs=pairs, samples=0, gate="", inputs={"events": "1"})
    write_lake(lake, runs=[row])
    page = read(page_of(lake))
    assert "Nothing changed: the 9 reasons for 12 candidates stand as they were, and no token was spent." in page
    assert "So 0 texts are new, 0 got a changed detail, 9 stay as they were and 0 were taken out" in page


def test_a_second_run_that_found_all_done_leaves_the_page_to_the_first(lake: Path) -> None:
    write_lake(lake, runs=[run_row(token=2, status="unchanged", pairs={"candidates": 12, "kept": 12})])
    page = read(page_of(lake))
    assert "Tonight 9 reasons stand" in page
    assert f"{NIGHT}-{SCENARIO}-000002 unchanged" in page
    assert "Nothing changed" in read(page_of(lake, run=f"{NIGHT}-{SCENARIO}-000002"))
    assert (lake / "report" / f"{NIGHT}-{SCENARIO}-000002.html").is_file()


def test_a_rollback_is_told_on_the_page_of_either_night(lake: Path) -> None:
    """Two nights, then the first one is put back; then a third night ends the story."""
    second, third = NIGHT + timedelta(1), NIGHT + timedelta(2)
    pairs = {"put_back": 7, "kept": 2, "removed": 1, "left_out.minor": 1, "left_out.R05_price": 2}
    nothing = {"codes": {}, "prompts": {}, "seconds": {}, "gate": "", "samples": 0, "tokens_in": 0, "tokens_out": 0}
    back = run_row(NIGHT, 3, status="rolled_back", pairs=pairs, **nothing)
    write_lake(lake, runs=[run_row(second, 2), back])
    first = read(page_of(lake, f"night='{NIGHT}'"))
    assert "Tonight 9 reasons stand for 12 candidates" in first
    assert "A rollback at 2026-03-02 02:00 (UTC) put these reasons back, less 3 that nobody may see any more." in first
    assert f"{NIGHT}-{SCENARIO}-000003 put back" in first
    taken = f"They stand no more: a rollback at 2026-03-02 02:00 (UTC) put back the night of {NIGHT}."
    assert taken in read(page_of(lake, f"night='{second}'"))
    of_itself = read(page_of(lake, run=f"{NIGHT}-{SCENARIO}-000003"))
    assert "7 reasons came back, 2 stood already, 1 were taken out." in of_itself
    write_lake(lake, runs=[run_row(third, 4)])
    assert "rollback" not in read(page_of(lake, f"night='{second}'")).replace("rolled", "")
    assert "rollback" not in read(page_of(lake, f"night='{third}'"))


def test_a_warning_of_the_gate_stands_first_and_in_its_table_and_refuses_nothing(lake: Path) -> None:
    query = "SELECT * FROM delta.`lake/staged` LIMIT 10"
    check = {"name": "mean_chars", "wanted": "28 to 38", "found": 21.5, "passed": False, "verdict": "warned"}
    gate = json.dumps({"passed": True, "checks": [check | {"look": query}]})
    write_lake(lake, runs=[run_row(NIGHT + timedelta(1), 2, gate=gate)])
    page = read(page_of(lake))
    assert "The gate let it pass, and warns (1):" in page
    assert "characters of a reason, on average: wanted 28 to 38, found 21.5" in page
    assert "mean_chars 28 to 38 21.5 warning" in page
    assert query in page
    assert "Tonight was not published" not in page


def test_a_refused_night_names_the_check_and_what_still_stands(lake: Path) -> None:
    check = {"name": "fallback_share", "wanted": "0 to 0.1", "found": 0.9, "passed": False}
    gate = json.dumps({"passed": False, "checks": [check]})
    write_lake(lake, runs=[run_row(NIGHT + timedelta(1), 2, status="refused", gate=gate, delta_version=None)])
    page = read(page_of(lake))
    assert "Tonight was not published: 1 of 1 checks of the gate failed." in page
    assert f"3 reasons from earlier nights still stand, the newest of {NIGHT}." in page
    assert "share of plain sentences fallback_share 0 to 0.1 0.900 fails" in page
    assert f"SELECT * FROM delta.`{lake}/staging/{NIGHT + timedelta(1)}-{SCENARIO}-000002/staged`" in page
    assert "None of this was published." in page


def test_an_empty_night_says_why_nobody_got_a_reason(lake: Path) -> None:
    row = run_row(NIGHT + timedelta(1), 2, pairs={"candidates": 5, "skipped.minor": 5}, prompts={}, samples=0)
    write_lake(lake, runs=[row])
    page = read(page_of(lake))
    assert "Tonight no candidate could get a reason: all 5 were set aside, most of them for this: known to" in page


def test_a_night_that_died_says_to_run_it_again(lake: Path) -> None:
    row = run_row(NIGHT + timedelta(1), 2, status="started", ended_at=None, pairs={}, codes={}, prompts={}, gate="")
    write_lake(lake, runs=[row])
    page = read(page_of(lake))
    assert "This night began at 2026-03-03 02:00 (UTC) and has not ended" in page
    assert "3 reasons from earlier nights still stand" in page


def test_a_night_that_stopped_at_its_inputs_has_a_page_too(lake: Path) -> None:
    written = write(lake, "night='2026-03-05'")
    assert (written.status, written.run_id) == ("missing", None)
    page = read(Path(written.page).read_text())
    assert "No run of this night is on record." in page
    assert "(exit code 2)" in page
    assert f"the newest of {NIGHT}." in page


def test_a_lake_that_is_not_there_yet_has_a_page_for_a_night_that_is_named(tmp_path: Path) -> None:
    page = page_of(tmp_path / "lake", "night='2026-03-05'")
    assert "No earlier reason stands: readers find none." in read(page)


def test_what_changed_names_the_input_before_and_now(lake: Path) -> None:
    row = run_row(NIGHT + timedelta(1), 2, inputs={"events": "9", "items": "jsonl:abc"}, code_version="0.2.0+bb")
    write_lake(lake, runs=[row])
    page = read(page_of(lake))
    assert "what users did (events) 1 → 9" in page
    assert "the program 0.1.0+aa → 0.2.0+bb" in page
    assert "the catalogue (items) jsonl:abc →" not in page


def test_a_measure_far_from_the_last_nights_is_called_unusual(lake: Path) -> None:
    nights = [run_row(NIGHT + timedelta(day), 1 + day) for day in range(1, 5)]
    strange = run_row(NIGHT + timedelta(5), 6, pairs={"candidates": 12, "published": 4, "fallback": 8})
    write_lake(lake, runs=[*nights, strange])
    page = read(page_of(lake))
    assert "plain sentences, share of candidates unusual 66.7 % 8.3 %" in page
    assert "faulty rows in the inputs 7 7" in page
    assert "Every measure is where it usually is." in read(page_of(lake, f"night='{NIGHT + timedelta(4)}'"))


def test_an_older_night_tells_of_its_own_version_of_the_reasons(lake: Path) -> None:
    write_lake(lake, reasons=reason_rows([*USERS, "zq-dora"], "A later tent.", skeleton="later"))
    write_lake(lake, runs=[run_row(NIGHT + timedelta(1), 2, delta_version=1)])
    assert "A later tent." in page_of(lake)
    older = read(page_of(lake, f"night='{NIGHT}'"))
    assert "A later tent." not in older
    assert "this tent are both" in older
    for file in (lake / "reasons").glob("*.parquet"):
        file.unlink()
    assert "The reasons of this night are not kept any more." in read(page_of(lake, f"night='{NIGHT}'"))


def test_the_index_lists_nights_newest_first_with_those_that_left_only_a_page(lake: Path) -> None:
    write_lake(lake, runs=[run_row(NIGHT + timedelta(1), 2)])
    write(lake)
    written = write(lake, "night='2026-03-05'")
    index = Path(written.index).read_text()
    assert re.findall(r'<a href="([^"]+)">', index) == [f"2026-03-0{day}-{SCENARIO}.html" for day in (5, 3)]
    assert "2026-03-05 did not run – – 2026-03-03 published 9 12 2026-03-02 no page yet published 9 12" in read(index)
    assert sorted(path.name for path in (lake / "report").iterdir())[-1] == "index.html"


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "delta", "expression", "gone"])
def test_items_are_read_in_every_format_and_missed_without_a_fault(lake: Path, form: str) -> None:
    import polars as pl

    items = pl.DataFrame({"sku": ["i1"], "title": ["Ridge tent"], "category": ["outdoor/tent"]})
    place = lake.parent / f"items-{form}"
    sets = [f"inputs.items.path={place}", f"inputs.items.format={form}", "inputs.items.columns.item_id=sku"]
    match form:
        case "jsonl":
            items.write_ndjson(place)
        case "csv":
            items.write_csv(place)
        case "parquet":
            place.mkdir()
            items.write_parquet(place / "part-0.parquet")
        case "delta":
            items.write_delta(str(place))
        case "expression":
            items.write_csv(place)
            sets[1:] = ["inputs.items.format=csv", "inputs.items.columns.item_id='=sku'"]
        case _:
            sets[1:] = ["inputs.items.format=csv"]
    page = read(page_of(lake, *sets))
    assert ("for i1 · Ridge tent ·" in page) == (form not in ("expression", "gone"))
    assert ("can be read by Spark only" in page) == (form in ("expression", "gone"))


def test_the_job_says_what_it_wrote_and_faults_exit_with_2(
    lake: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sets = [f"root={lake}", f"inputs.items.path={lake.parent / 'items.jsonl'}", "night=null"]
    job = ["--config", str(ROOT / "conf" / "local.yaml"), *(part for one in sets for part in ("--set", one))]
    assert main([*job, "--json", str(tmp_path / "told.json"), "--out", str(tmp_path / "pages")]) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["night"], told["status"]) == (f"{NIGHT}", "published")
    assert Path(told["page"]).parent == tmp_path / "pages"
    assert main([*job, "--run", "nobody"]) == 2
    assert f"newest: {NIGHT}-{SCENARIO}-000001" in capsys.readouterr().err
    assert main([*job, "--out", "s3://bucket/pages"]) == 2
    assert main([*job, "--set", "scenario=other"]) == 2
    assert "Give --night YYYY-MM-DD" in capsys.readouterr().err


def test_every_code_that_a_night_can_count_has_its_words() -> None:
    from reasongen.quality import load_suites
    from reasongen.report.nights import measures
    from reasongen.tables.rows import REJECTING, REPAIRED
    from reasongen.validation.rules import load_policy
    from reasongen.validation.structure import RULES

    rejected = ("malformed", "null_user_id", "null_item_id", "unknown_scenario", "unknown_item", "item_rejected")
    skipped = ("suppressed", "withdrawn", "minor", "consent")
    sources = "".join(map(Path.read_text, (ROOT / "reasongen" / "pipeline").glob("*.py")))
    stages = re.findall(r'stages\.stage\("(\w+)"\)', sources)
    checking = "".join(map(Path.read_text, (ROOT / "reasongen" / "validation").glob("*.py")))
    claims = set(re.findall(r'finding\(\s*"(\w+)"', checking)) | {"number"}
    checks = [name for suite in load_suites(ROOT / "conf" / "quality").suites for name in suite.expectations]
    wanted = [
        *(f"codes.{code}" for code in (*REJECTING, *REPAIRED, "duplicate")),
        *(f"codes.rejected.{code}" for code in rejected),
        *(f"codes.skipped.{code}" for code in skipped),
        *(f"rules.{rule.__name__}" for rule in RULES),
        *(f"rules.{rule.id}" for rule in load_policy(ROOT / "conf" / "policies").rules),
        *(f"rules.R18_{kind}" for kind in sorted(claims)),
        *(f"checks.{check}" for check in checks),
        *(f"measures.{name}" for name in measures(run_row())),
        *(f"stages.{name}" for name in stages),
    ]
    assert min(len(stages), len(checks), len(claims)) > 6
    assert [key for key in wanted if not known(key)] == []
