"""What has had its time goes: samples that no reason rests on, refused texts, the traces of a lease's renewals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_tables import put

from reasongen.config import RetentionSettings
from reasongen.pipeline import Run, maintain_tables, maintaining
from reasongen.pipeline.ledger import record_run
from reasongen.schema import GENERATIONS, QUARANTINE, REASONS, RUNS
from reasongen.tables import create_if_missing, take_lease

NOW = datetime.now(UTC)
OLD, YOUNG = NOW - timedelta(days=91), NOW - timedelta(days=89)
SHORT = RetentionSettings(generations_days=90, quarantine_days=90)


def sample(prompt: str, made: datetime, number: int = 0, model: str = "m") -> dict[str, Any]:
    return {
        "prompt_hash": prompt,
        "model_version": model,
        "decode_hash": "d",
        "sample": number,
        "text": f"of {prompt}",
        "generated_at": made,
    }


def reason(prompt: str, source: str = "model", model: str = "m") -> dict[str, Any]:
    keys = {"user_id": f"person-{prompt}", "item_id": "i1", "scenario": "s", "reason": "words", "source": source}
    return {**keys, "prompt_hash": prompt, "model_version": model, "decode_hash": "d"}


@pytest.fixture
def lake(spark: Any, tmp_path: Path) -> Path:
    """Old and young samples, of which some made a reason that stands; refused texts of two nights."""
    samples = [
        sample("told", OLD),
        sample("fell-back", OLD),
        sample("fell-back", OLD, number=1),
        sample("left", OLD),
        sample("left", OLD, number=1),
        sample("told", OLD, model="the one before"),
        sample("left-lately", YOUNG),
    ]
    put(spark, tmp_path, GENERATIONS, samples)
    put(spark, tmp_path, REASONS, [reason("told"), reason("fell-back", "fallback")])
    nights = [{"run_id": f"r{day.day}", "night": day, "user_id": "person-a", "text": "no"} for day in DAYS]
    put(spark, tmp_path, QUARANTINE, nights)
    create_if_missing(spark, f"{tmp_path}/runs", RUNS)
    return tmp_path


DAYS = (OLD.date(), YOUNG.date())


def samples_in(lake: Path) -> set[tuple[str, str, int]]:
    """As polars reads them."""
    return set(pl.read_delta(f"{lake}/generations").select("prompt_hash", "model_version", "sample").iter_rows())


KEPT = {("told", "m", 0), ("fell-back", "m", 0), ("fell-back", "m", 1), ("left-lately", "m", 0)}


def test_samples_go_that_are_old_and_made_no_reason_that_stands(spark: Any, lake: Path) -> None:
    told = maintain_tables(spark, str(lake), keep_hours=24, retention=SHORT)
    assert samples_in(lake) == KEPT
    assert (told["generations"]["rows_removed"], told["quarantine"]["rows_removed"]) == (3, 1)
    assert pl.read_delta(f"{lake}/quarantine")["night"].to_list() == [YOUNG.date()]
    versions = {name: told[name]["version"] for name in ("generations", "quarantine")}
    again = maintain_tables(spark, str(lake), keep_hours=24, retention=SHORT)
    assert {name: again[name]["version"] for name in versions} == versions
    log = "".join(file.read_text() for file in Path(lake, "quarantine", "_delta_log").glob("*.json"))
    assert "person-a" not in log


def test_beside_a_running_night_they_stay(spark: Any, lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = samples_in(lake)
    with take_lease(f"{lake}/leases/s", seconds=600) as lease:
        record_run(f"{lake}/runs", Run("live", date.today(), "s", lease.token))
        told = maintain_tables(spark, str(lake), keep_hours=24, retention=SHORT)
    assert samples_in(lake) == before
    assert told["generations"]["rows_removed"] == 0
    assert "live is at work" in capsys.readouterr().err
    # The run released its lease and never wrote its end: it died.
    maintain_tables(spark, str(lake), keep_hours=24, retention=SHORT)
    assert samples_in(lake) == KEPT


def test_the_renewals_of_a_lease_leave_one_file(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintaining, "LEAST_HOURS", 0)
    path = tmp_path / "leases" / "s"
    with take_lease(str(path), seconds=600) as lease:
        for _ in range(5):
            lease._update(renewed_at=datetime.now(UTC))
        maintain_tables(spark, str(tmp_path), keep_hours=0)
        lease.check()
        assert len(list(path.glob("*.parquet"))) == 1
    assert list((path / "_delta_log").glob("*.checkpoint.parquet"))
    with take_lease(str(path), seconds=600) as again:
        assert again.token == lease.token + 1
