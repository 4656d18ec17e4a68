"""Whether tonight's tables have come, as the DAG's first task asks it."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from nights import FILES, ROOT

READY = runpy.run_path(str(ROOT / "infra" / "airflow" / "ready.py"))
main: Callable[[list[str]], int] = READY["main"]
NOT_YET: int = READY["NOT_YET"]


@pytest.fixture
def look(small_world: Path) -> Callable[..., int]:
    """One look at the small world, with other settings on top."""

    def look_once(night: str, *sets: str) -> int:
        places = [f"inputs.{name}.path={small_world / file}" for name, file in FILES.items()]
        told = [part for one in (*places, *sets) for part in ("--set", one)]
        return main(["--config", str(ROOT / "conf" / "local.yaml"), "--night", night, *told])

    return look_once


def test_a_night_whose_eve_has_events_is_ready(look: Callable[..., int]) -> None:
    assert look("2026-03-02") == 0


def test_events_that_end_before_the_eve_are_waited_for(
    look: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The planted rows of a later time are not taken for tonight's."""
    assert look("2026-04-10") == NOT_YET
    assert "events: none from 2026-04-09 00:00 to 2026-04-10 00:00 UTC" in capsys.readouterr().out


def test_a_night_begins_where_its_users_are(
    look: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 3, 1, 17, tzinfo=UTC)  # the second of March in Shanghai
    pl.DataFrame({"happened": [at]}).write_delta(str(tmp_path / "events"))
    monkeypatch.chdir(tmp_path)
    own = ["inputs.events.path=events", "inputs.events.columns.ts=happened"]
    assert look("2026-03-02", *own) == 0
    assert look("2026-03-02", *own, "inputs.timezone=Asia/Shanghai") == NOT_YET
    assert look("2026-03-03", *own, "inputs.timezone=Asia/Shanghai") == 0


def test_a_path_where_nothing_stands_is_waited_for(
    look: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert look("2026-03-02", f"inputs.items.path={tmp_path / 'later.jsonl'}") == NOT_YET
    assert "items: nothing at" in capsys.readouterr().out


@pytest.mark.parametrize(
    "sets",
    [
        ["inputs.items.path=null", "inputs.items.table=shop.items", "inputs.items.format=delta"],
        ["inputs.events.path=s3://bucket/events"],
        ["inputs.events.columns.ts='=timestamp_seconds(seconds)'"],
    ],
)
def test_what_it_cannot_see_is_left_to_the_contract(
    sets: list[str], look: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert look("2026-04-10" if "columns" in sets[0] else "2026-03-02", *sets) == 0
    assert "left to the contract" in capsys.readouterr().out


@pytest.mark.slow
def test_its_process_ends_well_each_time(small_world: Path) -> None:
    """A reader of Delta with threads of its own could take the process down at its end, after the right answer."""
    places = [f"inputs.{name}.path={small_world / file}" for name, file in FILES.items()]
    told = [part for one in places for part in ("--set", one)]
    command = [sys.executable, str(ROOT / "infra" / "airflow" / "ready.py"), "--config", str(ROOT / "conf/local.yaml")]
    ended = [
        subprocess.run(
            [*command, "--night", "2026-03-02", *told], cwd=ROOT, capture_output=True, timeout=120
        ).returncode
        for _ in range(10)
    ]
    assert set(ended) == {0}


def test_an_unknown_setting_is_a_fault(look: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert look("2026-03-02", "inputs.itms.path=x") == 2
    assert "did you mean `items`" in capsys.readouterr().err
