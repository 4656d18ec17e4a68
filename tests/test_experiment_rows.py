"""Tables of an experiment: read in four formats, faults all at once, each row counted or given a code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck
from hypothesis import given as drawn
from hypothesis import settings as examples
from hypothesis import strategies as st
from trials import CTR, START, done, settings, shown, tables, written

from reasongen.errors import ContractError, ReadingError
from reasongen.experiments.counting import count, earlier
from reasongen.experiments.joining import Joined, join
from reasongen.experiments.reading import read_tables
from reasongen.experiments.rows import COUNTED, coded_before
from reasongen.experiments.settings import ExperimentInputs, MetricSettings
from reasongen.experiments.study import figures_of

EXPOSURES = [shown("u1", hours=1), shown("u2", hours=2, arm="model")]
FEEDBACK = [done("e1", "u1", "click", 1.5), done("e2", "u2", "report", 3)]


def inputs(folder: Path, form: str, **more: Any) -> ExperimentInputs:
    found = {
        "exposures": written(folder, "exposures", EXPOSURES, form),
        "feedback": written(folder, "feedback", FEEDBACK, form),
    }
    return ExperimentInputs.model_validate(found | more)


def codes(joined: Joined) -> tuple[dict[str, int], dict[str, int]]:
    return joined.exposures.counts(), joined.feedback.counts()


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["parquet", "delta", "jsonl", "csv"])
def test_every_format_gives_the_same_rows(tmp_path: Path, form: str) -> None:
    found = read_tables(inputs(tmp_path, form))
    wanted = tables(EXPOSURES, FEEDBACK)
    for name in ("exposures", "feedback"):
        given = getattr(found, name)
        pd.testing.assert_frame_equal(given.frame, getattr(wanted, name).frame)
        assert given.malformed == 0
    assert found.before is None


def test_columns_may_be_called_otherwise_and_numbers_may_be_ids(tmp_path: Path) -> None:
    rows = [{"uid": 7, "sku": 8, "group": "none", "p": 1, "when": "2026-03-02T17:00:00+08:00", "more": [1]}]
    (tmp_path / "x.jsonl").write_text(json.dumps(rows[0]) + "\nnot json\n[1]\n\n")
    named = {"user_id": "uid", "item_id": "sku", "arm": "group", "propensity": "p", "shown_at": "when"}
    source = {"path": str(tmp_path / "x.jsonl"), "format": "jsonl", "columns": named}
    found = read_tables(inputs(tmp_path, "csv", exposures=source)).exposures
    assert found.malformed == 2
    assert found.frame.iloc[0, :5].tolist() == ["7", "8", "none", 1.0, pd.Timestamp(START)]


def test_a_line_of_csv_with_too_many_or_too_few_fields_is_malformed(tmp_path: Path) -> None:
    head = "user_id,item_id,arm,propensity,shown_at"
    lines = ["u1,i1,none,0.5,2026-03-02", "u2,i1,none,0.5", "u3,i1,none,0.5,2026-03-02,more", ",i1,none,0.5,2026-03-02"]
    (tmp_path / "ragged.csv").write_text("\n".join([head, *lines]))
    found = read_tables(inputs(tmp_path, "jsonl", exposures={"path": str(tmp_path / "ragged.csv"), "format": "csv"}))
    assert found.exposures.malformed == 2
    assert found.exposures.frame["user_id"].tolist() == ["u1", None]


def test_what_is_no_text_and_no_number_is_no_id(tmp_path: Path) -> None:
    rows = [done("e", "u1", "click", 1) | {"user_id": user} for user in ("u1", 7, True, ["u1"], {"u": 1}, None, "")]
    found = read_tables(inputs(tmp_path, "csv", feedback=written(tmp_path, "odd", rows, "jsonl"))).feedback
    assert found.frame["user_id"].tolist() == ["u1", "7", None, None, None, None, None]


def test_every_fitting_type_of_arrow_is_read(tmp_path: Path) -> None:
    typed = {
        "user_id": pa.array(["u1"]).dictionary_encode(),
        "item_id": pa.array(["i1"], pa.large_string()),
        "arm": pa.array(["none"], pa.string_view()),
        "propensity": pa.array([Decimal("0.5")]),
        "shown_at": pa.array([date(2026, 3, 2)]),
    }
    pq.write_table(pa.table(typed), tmp_path / "typed.parquet")
    naive = pa.table(typed | {"shown_at": pa.array([datetime(2026, 3, 2)], pa.timestamp("ns"))})
    pq.write_table(naive, tmp_path / "naive.parquet")
    for name in ("typed", "naive"):
        source = {"path": str(tmp_path / f"{name}.parquet"), "format": "parquet"}
        found = read_tables(inputs(tmp_path, "csv", exposures=source)).exposures.frame
        assert found.iloc[0, :5].tolist() == ["u1", "i1", "none", 0.5, pd.Timestamp("2026-03-02", tz="UTC")]


def test_a_delta_table_is_read_at_its_version_below_a_path_with_a_space(tmp_path: Path) -> None:
    place = tmp_path / "a folder"
    place.mkdir()
    source = written(place, "exposures", EXPOSURES, "delta")
    write_deltalake(source["path"], pd.DataFrame([shown("u9")]), mode="append")
    for version, rows in ((0, 2), (None, 3)):
        found = read_tables(inputs(tmp_path, "csv", exposures=source | {"version": version}))
        assert len(found.exposures.frame) == rows


def test_all_faults_of_all_tables_are_listed_at_once(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"user": ["a"], "item_id": [1.5], "arm": ["x"], "propensity": ["1"], "shown_at": [True]}),
        tmp_path / "e",
    )
    sources = {
        "exposures": {"path": str(tmp_path / "e"), "format": "parquet", "columns": {"arms": "arm"}},
        "feedback": {"path": str(tmp_path / "none"), "format": "delta", "version": 3},
        "before": {"path": str(tmp_path / "b.csv"), "format": "csv"},
    }
    (tmp_path / "b.csv").write_text("user_id,value\n")
    with pytest.raises(ReadingError) as caught:
        read_tables(ExperimentInputs.model_validate(sources))
    text = str(caught.value)
    for wanted in (
        "ReadingError: 6 faults in the input tables, nothing was counted",
        "inputs.exposures.columns: wanted columns of exposures; found `arms`; did you mean `arm`?",
        "exposures.user_id: wanted string; found no column `user_id`; did you mean `user`?",
        "exposures.item_id: wanted string; found double in `item_id`",
        "exposures.shown_at: wanted timestamp; found bool in `shown_at`",
        "feedback: wanted a delta table, version 3; found nothing that can be read",
        "before: wanted at least one row; found no row",
    ):
        assert wanted in text, text
    assert isinstance(caught.value, ContractError)
    assert caught.value.exit_code == 2


def test_a_column_that_nobody_can_read_is_a_fault_and_a_single_value_is_a_code(tmp_path: Path) -> None:
    rows = [done("e1", "u1", "click", 1) | {"at": "yesterday"}, done("e2", "u1", "click", 1) | {"at": "never"}]
    with pytest.raises(ReadingError, match=r"feedback\.at: wanted timestamp; found nothing that can be read"):
        read_tables(inputs(tmp_path, "csv", feedback=written(tmp_path, "odd", rows, "csv")))
    rows[0]["at"] = START.isoformat()
    found = read_tables(inputs(tmp_path, "csv", feedback=written(tmp_path, "odd", rows, "csv")))
    assert codes(join(found, settings()))[1]["no_time"] == 1


@pytest.mark.parametrize(
    "wrong", [{"table": "a.b"}, {"path": "x", "filter": "1=1"}, {"path": "x", "columns": {"user_id": "=a"}}]
)
def test_what_needs_spark_is_refused_as_a_setting(wrong: Any) -> None:
    with pytest.raises(ValueError, match="Spark"):
        ExperimentInputs.model_validate({"exposures": wrong, "feedback": {"path": "y"}})


cells = (
    st.none() | st.text(max_size=6) | st.integers() | st.floats() | st.booleans() | st.lists(st.integers(), max_size=2)
)
lines = st.text(max_size=20) | st.dictionaries(
    st.sampled_from(["user_id", "event_id", "item_id", "kind", "at"]), cells
).map(json.dumps)


@drawn(st.lists(lines, max_size=12))
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_no_line_of_json_stops_the_reading_and_each_is_counted(tmp_path: Path, told: list[str]) -> None:
    told = [line.encode("utf-8", "replace").decode().replace("\n", " ").replace("\r", " ") for line in told]
    good = json.dumps(done("e", "u1", "click", 1.5), default=str)
    text = "\n".join([*told, good])
    (tmp_path / "odd.jsonl").write_text(text, encoding="utf-8", newline="")
    source = {"path": str(tmp_path / "odd.jsonl"), "format": "jsonl"}
    found = read_tables(inputs(tmp_path, "csv", feedback=source))
    _, feedback = codes(join(found, settings()))
    assert sum(feedback.values()) == sum(1 for line in text.split("\n") if line.strip())
    assert feedback[COUNTED] >= 1


# --- codes ------------------------------------------------------------------------------------------------------------


def test_each_row_of_exposures_that_does_not_count_says_why() -> None:
    rows = [
        shown("u1"), shown("u1"), shown(None), shown("u2", None), shown("u2", arm=None), shown("u2", hours=None),
        shown("u2") | {"propensity": 0.0}, shown("u2") | {"propensity": 1.5}, shown("u2", arm="other"),
        shown("u3", hours=-1), shown("u3", hours=100), shown("u3", hours=90),
        shown("u4"), shown("u4", "i2", arm="model"),
    ]  # fmt: skip
    chosen = settings(start=START, end=START + timedelta(hours=99), as_of=START + timedelta(hours=100))
    found, _ = codes(join(tables(rows, []), chosen))
    assert found == {
        "bad_propensity": 2, "outside": 2, "two_arms": 2, "counted": 1, "doubled": 1, "no_arm": 1, "no_item": 1,
        "no_time": 1, "no_user": 1, "open": 1, "unknown_arm": 1,
    }  # fmt: skip


def test_each_row_of_feedback_that_does_not_count_says_why() -> None:
    exposures = [shown("u1", hours=0), shown("u2", hours=0), shown("u2", "i2", hours=1, arm="model")]
    rows = [
        done("e1", "u1", "click", 1), done("e1", "u1", "click", 0.5), done(None, "u1", "click", 1),
        done("e2", None, "click", 1),
        done("e3", "u1", "click", 1, None), done("e4", "u1", "click", None), done("e5", "u1", "hover", 1),
        done("e6", "u1", None, 1), done("e7", "u1", "click", -1), done("e8", "u1", "click", 1, "i9"),
        done("e9", "u1", "click", 25), done("e10", "u1", "click", 24), done("e11", "u2", "click", 1),
    ]  # fmt: skip
    joined = join(tables(exposures, rows), settings())
    assert codes(joined)[1] == {
        "counted": 2, "no_exposure": 2, "unknown_kind": 2, "doubled": 1, "exposure_two_arms": 1, "late": 1,
        "no_event": 1, "no_item": 1, "no_time": 1, "no_user": 1,
    }  # fmt: skip
    assert joined.followed["click"].tolist() == [True, False, False]


def test_feedback_goes_to_the_newest_exposure_before_it_and_to_its_own_reason() -> None:
    exposures = [
        shown("u1", hours=0, reason_id="r1", version="1"), shown("u1", hours=2, reason_id="r2", version="1"),
        shown("u1", hours=4, reason_id="r1", version="2"),
    ]  # fmt: skip

    def met(**more: Any) -> list[bool]:
        return join(tables(exposures, [done("e", "u1", "click", 5, **more)]), settings()).followed["click"].tolist()

    assert met() == [False, False, True]
    assert met(reason_id="r2") == [False, True, False]
    assert met(reason_id="r1") == [False, False, True]
    assert met(reason_id="r1", version="1") == [True, False, False]
    assert met(reason_id="r9") == [False, False, False]


def test_bots_are_left_out_whole_and_counted_by_the_stated_rule() -> None:
    exposures = [shown(user, f"i{at}", hours=at) for user in ("hurried", "eager", "calm") for at in range(10)]
    feedback = [done(f"h{at}", "hurried", "click", 0.01 * at, "i0") for at in range(4)]
    feedback += [done(f"e{at}", "eager", "click", at + 0.1, f"i{at}") for at in range(9)]
    feedback += [done(f"c{at}", "calm", "click", at + 0.1, f"i{at}") for at in range(3)]
    rule = {"clicks_per_hour": 3, "click_share": 0.8, "click_share_from": 10}
    joined = join(tables(exposures, feedback), settings(bots=rule))
    assert codes(joined) == ({"bot": 20, "counted": 10}, {"exposure_bot": 13, "counted": 3})
    lenient = join(tables(exposures, feedback), settings(bots=rule | {"clicks_per_hour": 4, "click_share": 0.9}))
    assert codes(lenient)[0] == {"counted": 30}


users = st.sampled_from([None, "u1", "u2", "u3"])
items = st.sampled_from([None, "i1", "i2"])
hours = st.sampled_from([None, -3, 0, 1, 1.5, 20, 30, 60, 300])
exposures_drawn = st.lists(
    st.builds(shown, users, items, hours, st.sampled_from([None, "none", "model", "x"])), min_size=1, max_size=25
)
feedback_drawn = st.lists(
    st.builds(
        done,
        st.sampled_from([None, *"abcdefghij"]),
        users,
        st.sampled_from([None, "click", "purchase", "x"]),
        hours,
        items,
    ),
    max_size=25,
)


@drawn(exposures_drawn, feedback_drawn)
@examples(max_examples=150, deadline=None)
def test_no_row_is_dropped_and_order_does_not_matter(exposures: list[Any], feedback: list[Any]) -> None:
    chosen = settings(end=START + timedelta(hours=200), bots={"clicks_per_hour": 2, "click_share_from": 3})
    joined = join(tables(exposures, feedback), chosen)
    shown_codes, done_codes = codes(joined)
    assert (sum(shown_codes.values()), sum(done_codes.values())) == (len(exposures), len(feedback))
    assert set(joined.feedback.codes[joined.feedback.codes != COUNTED]) <= KNOWN
    for kind, rows in joined.followed.items():
        assert kind == "click" or kind == "purchase" or not rows.any()
    counted = count(joined)
    assert len(counted.users) == shown_codes["counted"]
    back = join(tables(exposures[::-1], feedback), chosen)
    assert codes(back)[0] == shown_codes


KNOWN = {"no_event", "no_user", "no_item", "no_time", "unknown_kind", "doubled", "no_exposure", "late"} | {
    f"exposure_{code}" for code in ("outside", "open", "two_arms", "bot")
}


# --- counts -----------------------------------------------------------------------------------------------------------


def counts() -> Iterator[tuple[str, list[float], list[float]]]:
    """Days 0 and 1 of two users: what each metric makes of them, by hand."""
    exposures = [shown("u1", "i1", 0), shown("u1", "i2", 1), shown("u1", "i3", 25), shown("u2", "i1", 26)]
    feedback = [
        done("a", "u1", "impression", 0.1), done("b", "u1", "click", 0.2), done("c", "u1", "click", 0.3),
        done("d", "u1", "click", 25.5, "i3"), done("e", "u2", "purchase", 27),
    ]  # fmt: skip
    counted = count(join(tables(exposures, feedback), settings()))
    for per, kind in (("exposure", "click"), ("impression", "click"), ("user", "click"), ("user", "purchase")):
        metric = MetricSettings.model_validate({**CTR, "per": per, "kind": kind})
        days = [one["none"] for one in counted.by_day(metric, earlier(counted, None, "ctr")[0], {0: None, 1: None})]
        yield f"{kind} per {per}", [float(one.ratio) for one in days], [float(one.users) for one in days]


def test_metrics_by_hand_day_after_day() -> None:
    assert {name: ratios for name, ratios, _ in counts()} == {
        "click per exposure": [1 / 2, 2 / 4], "click per impression": [1.0, 1.0], "click per user": [1.0, 1 / 2],
        "purchase per user": [0.0, 1 / 2],
    }  # fmt: skip
    assert all(users == [1, 2] for _, _, users in counts())


def test_an_earlier_count_of_the_metric_goes_before_one_of_all_and_who_has_none_gets_the_mean() -> None:
    counted = count(join(tables([shown("u1"), shown("u2"), shown("u3")], []), settings()))
    rows = [
        {"user_id": "u1", "value": 1.0}, {"user_id": "u1", "value": 4.0, "metric": "ctr"},
        {"user_id": "u2", "value": 2.0},
        {"user_id": "u2", "value": 9.0}, {"user_id": "u9", "value": 9.0}, {"user_id": None, "value": 1.0},
        {"user_id": "u2", "value": None}, {"user_id": "u2", "value": 1.0, "metric": "other"},
    ]  # fmt: skip
    given = tables([], [], rows).before
    assert given is not None
    before = coded_before(given, settings().metrics)
    assert before.counts() == {"counted": 4, "doubled": 1, "no_user": 1, "no_value": 1, "unknown_metric": 1}
    x, known = earlier(counted, before, "ctr")
    assert (x.tolist(), known) == ([4.0, 2.0, 3.0], 2)


def test_figures_hold_no_id_and_are_plain_json() -> None:
    exposures = [shown(f"secret-{at}", f"item-{at}", at / 60, arm=("none", "model")[at % 2]) for at in range(300)]
    feedback = [done(f"event-{at}", f"secret-{at}", "click", at / 60, f"item-{at}") for at in range(0, 300, 3)]
    figures = figures_of(tables(exposures, feedback, [{"user_id": "secret-1", "value": 1.0}]), settings())
    text = json.dumps(figures, allow_nan=False)
    assert "secret-" not in text
    assert "item-" not in text
    assert figures["status"] == "open"
    assert figures["metrics"]["ctr"]["effects"][0]["difference"] == pytest.approx(0.0)
    assert datetime.fromisoformat(figures["as_of"]) == START + timedelta(days=30)
