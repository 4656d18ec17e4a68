"""What monitoring hears: events that OpenLineage's own reader takes, metrics that Prometheus' parser reads."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reasongen.config import NightConfig, load_config
from reasongen.errors import ContractError, Fault
from reasongen.pipeline import Run, log_as_json, signalled, signals
from reasongen.pipeline.progress import log_run, say

ROOT = Path(__file__).resolve().parent.parent
SECRET = "person-0042"


def config_of(tmp_path: Path, **more: str) -> NightConfig:
    """The default night, heard below `tmp_path`."""
    told = {"prometheus": tmp_path / "night.prom", "openlineage": tmp_path / "events.jsonl", **more}
    return load_config(ROOT / "conf" / "local.yaml", [f"signals.{name}={value}" for name, value in told.items()])


def a_run(status: str = "published") -> Run:
    run = Run("2026-03-02-recommendation-000001", date(2026, 3, 2), "recommendation", 1, status)
    run.inputs, run.pairs, run.codes = {"events": "7"}, {"candidates": 9, "published": 8}, {"items.html": 2}
    run.prompts, run.tokens_in, run.seconds, run.delta_version = {"distinct": 5, "generated": 4}, 70, {"judge": 1.5}, 3
    return run


def events(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]


def metrics(tmp_path: Path) -> dict[tuple[str, ...], float]:
    """Name and labels but the scenario → value."""
    families = text_string_to_metric_families((tmp_path / "night.prom").read_text())
    samples = [sample for family in families for sample in family.samples]
    assert {sample.labels["scenario"] for sample in samples} == {"recommendation"}
    return {(s.name, *(v for k, v in sorted(s.labels.items()) if k != "scenario")): s.value for s in samples}


def test_a_good_night_begins_and_completes_with_what_it_read_and_wrote(tmp_path: Path) -> None:
    with signalled(config_of(tmp_path)) as heard:
        heard.run = a_run()
    start, end = events(tmp_path)
    assert [start["eventType"], end["eventType"]] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == end["run"]["runId"]
    assert end["job"] == {"namespace": "reasongen", "name": "generate.recommendation", "facets": {}}
    read = {Path(one["name"]).name.split(".")[0]: one["facets"] for one in end["inputs"]}
    assert set(read) == {"events", "items", "candidates", "users"}
    assert read["events"]["version"]["datasetVersion"] == "7"
    (wrote,) = end["outputs"]
    assert wrote["facets"]["version"]["datasetVersion"] == "3"
    assert {"reason", "evidence", "valid_until"} <= {one["name"] for one in wrote["facets"]["schema"]["fields"]}
    made_from = wrote["facets"]["columnLineage"]["fields"]["reason"]["inputFields"]
    known = {(one["namespace"], one["name"]) for one in end["inputs"]}
    assert {(one["namespace"], one["name"]) for one in made_from} <= known
    tags = {one["key"]: one["value"] for one in end["run"]["facets"]["tags"]["tags"]}
    assert tags["run_id"] == "2026-03-02-recommendation-000001"
    told = metrics(tmp_path)
    assert told[("reasongen_last_run_exit_code",)] == 0
    assert told[("reasongen_pairs", "published")] == 8
    assert told[("reasongen_row_codes", "items.html")] == 2
    assert told[("reasongen_stage_seconds", "judge")] == 1.5
    assert told[("reasongen_tokens", "in")] == 70


def test_columns_of_the_lineage_are_columns_of_the_tables(tmp_path: Path) -> None:
    from reasongen.schema import INPUTS, REASONS

    assert set(signals._RESTS_ON) <= set(REASONS.names)
    for table, name in (one.split(".") for sources in signals._RESTS_ON.values() for one in sources):
        assert name in INPUTS[table].names


def test_a_failed_night_says_why_without_a_row_and_keeps_the_last_success(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    with signalled(config) as heard:
        heard.run = a_run()
    success = metrics(tmp_path)[("reasongen_last_success_timestamp_seconds",)]
    fault = Fault("events.ts", "timestamps", "words", "Mend the feed.")
    for error, code, words in (
        (ContractError([fault]), 2, "events.ts: wanted timestamps"),
        (ValueError(f"bad row of {SECRET}"), 1, "ValueError"),
    ):
        with pytest.raises(type(error)), signalled(config):
            raise error
        end = events(tmp_path)[-1]
        assert (end["eventType"], end["outputs"]) == ("FAIL", [])
        assert words in end["run"]["facets"]["errorMessage"]["message"]
        told = metrics(tmp_path)
        assert told[("reasongen_last_run_exit_code",)] == code
        assert told[("reasongen_last_success_timestamp_seconds",)] == success
    with signalled(config) as heard:
        heard.run = a_run("refused")
    assert metrics(tmp_path)[("reasongen_last_run_exit_code",)] == 3
    assert events(tmp_path)[-1]["run"]["facets"]["errorMessage"]["message"] == "the gate refused"
    assert SECRET not in (tmp_path / "events.jsonl").read_text() + (tmp_path / "night.prom").read_text()


def test_a_signal_that_cannot_be_given_ends_no_night(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with signalled(
        config_of(tmp_path, prometheus=f"{tmp_path}/file/x.prom", openlineage=f"{tmp_path}/file/x")
    ) as heard:
        heard.run = a_run()
    told = capsys.readouterr().err
    assert "signals: prometheus was not told" in told
    assert "signals: openlineage was not told" in told


def test_without_settings_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with signalled(load_config(ROOT / "conf" / "local.yaml", [])) as heard:
        heard.run = a_run()
    assert list(tmp_path.iterdir()) == []


def test_lines_as_json_name_run_and_stage_and_plain_ones_stay(capsys: pytest.CaptureFixture[str]) -> None:
    with log_as_json(True, scenario="recommendation"):
        say("judge: done in 3 s")
        log_run("r1")
        say("gate refused: rows")
    say("judge: done in 3 s")
    one, two, plain = capsys.readouterr().err.splitlines()
    first, second = json.loads(one), json.loads(two)
    assert (first["stage"], first["message"], first["scenario"]) == ("judge", "done in 3 s", "recommendation")
    assert (second["run_id"], second["message"]) == ("r1", "gate refused: rows")
    assert first["time"].endswith("+00:00")
    assert plain.endswith(" judge: done in 3 s")
