"""What an export writes: what changed, what went, nothing else, the same again; and what it does when files went."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import time
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from served import KEY, ROOT, Lake, config_at, row

from reasongen.errors import ConfigError, ExportError, LeaseError
from reasongen.schema import DELETES, EXPORT_SCHEMA, UPSERTS
from reasongen.serving import export, export_changes
from reasongen.serving import lake as lakes
from reasongen.serving.sets import locked, read_sets


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Version 1: two users, two items each."""
    made = Lake(tmp_path / "lake")
    made.publish(
        [row(f"u{n % 2}", f"i{n // 2}", f"Words {n}.") for n in range(4)], run="2026-03-02-recommendation-000001"
    )
    return made


def exported(lake: Lake, *sets: str, **asked: Any) -> dict[str, Any]:
    """The one set that this export makes, with its rows."""
    done = export_changes(config_at(lake.root, *sets), **asked)
    (made,) = done.made
    return {"notes": done.notes, **made.model_dump(), **rows_of(lake.root / "exports" / made.name)}


def rows_of(place: Path) -> dict[str, Any]:
    told = {}
    for stem, table in (("upserts", UPSERTS), ("deletes", DELETES)):
        files = sorted(place.glob(f"{stem}-*.parquet"))
        frame = pl.concat([pl.read_parquet(file) for file in files]) if files else pl.DataFrame(schema=table.names)
        assert frame.columns == table.names
        told[stem] = [tuple(one.values()) for one in frame.iter_rows(named=True)]
    return {**told, "pairs": [(one[0], one[1], one[3]) for one in told["upserts"]]}


def digests(folder: Path) -> dict[str, str]:
    """Every byte below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_first_set_is_full_and_the_next_holds_what_changed_and_what_went(lake: Lake) -> None:
    first = exported(lake)
    assert (first["replaces"], first["from_version"], first["to_version"]) == ("all", None, 1)
    assert first["pairs"] == [
        ("u0", "i0", "Words 0."),
        ("u0", "i1", "Words 2."),
        ("u1", "i0", "Words 1."),
        ("u1", "i1", "Words 3."),
    ]
    assert (first["run_id"], first["night"]) == ("2026-03-02-recommendation-000001", "2026-03-02")
    changed = [row("u0", "i0", "Other words."), row("u9", "i0", "New.")]
    lake.publish(changed, gone=[("u1", "i1")], run="2026-03-03-recommendation-000002")
    second = exported(lake)
    assert (second["replaces"], second["from_version"], second["to_version"]) == ("changed", 1, 2)
    assert second["pairs"] == [("u0", "i0", "Other words."), ("u9", "i0", "New.")]
    assert second["deletes"] == [("u1", "i1", "recommendation")]
    assert second["night"] == "2026-03-03"
    assert export_changes(config_at(lake.root)).made == []


@pytest.mark.parametrize(
    "other",
    [
        {"reason": "x"}, {"valid_until": date(2126, 1, 2)}, {"ai_label": "{}"}, {"policy_version": "p2"},
        {"source": "fallback"}, {"locale": None}, {"run_id": "r9"}, {"model_version": None},
    ],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_a_row_is_changed_where_any_word_of_it_is(lake: Lake, other: dict[str, Any]) -> None:
    exported(lake)
    lake.publish([row("u0", "i0", "Words 0.") | other])
    (upsert,) = exported(lake)["upserts"]
    told = dict(zip(UPSERTS.names, upsert, strict=True))
    assert {name: told[name] for name in other} == other


def test_what_a_store_is_not_given_is_no_change_and_stands_in_no_set(lake: Lake) -> None:
    exported(lake)
    other = {"evidence": [], "claims": [], "fact_hash": 7, "published_at": None, "prompt_hash": "other"}
    lake.publish([row("u0", "i0", "Words 0.") | other])
    second = exported(lake)
    assert (second["upserts"], second["deletes"], second["files"]) == ([], [], {})
    assert not any(b"nobody else may see" in file.read_bytes() for file in lake.root.glob("exports/*/*.parquet"))
    assert not set(pl.read_parquet(lake.root / "exports/*/upserts-*.parquet").columns) & {"evidence", "claims"}


def test_rows_that_were_merely_written_again_are_no_change(lake: Lake) -> None:
    exported(lake)
    lake.compact()
    assert exported(lake)["files"] == {}
    lake.append([row("u5", "i5", "Five.")])
    lake.compact()
    lake.vacuum()
    lake.publish([], gone=[("u0", "i0")])
    lake.compact()
    third = exported(lake)  # the file that was vacuumed was never exported
    assert (third["pairs"], third["deletes"]) == ([], [("u0", "i0", "recommendation")]) or third["replaces"] == "all"


def test_a_row_that_changed_and_changed_back_is_no_change(lake: Lake) -> None:
    exported(lake)
    lake.publish([row("u0", "i0", "For an hour.")], gone=[("u1", "i0")])
    lake.publish([row("u0", "i0", "Words 0."), row("u1", "i0", "Words 1.")])
    assert exported(lake)["files"] == {}


def test_only_files_that_differ_are_read(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(lake)
    lake.append([row("u5", "i5", "Five.")])
    read: list[int] = []
    real = lakes.Version.rows
    monkeypatch.setattr(lakes.Version, "rows", lambda self, files: (read.append(len(files)), real(self, files))[1])
    assert exported(lake)["pairs"] == [("u5", "i5", "Five.")]
    assert read == [1, 0]


def test_made_again_it_is_the_same_to_the_last_byte_and_a_complete_one_is_left(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "FILE_ROWS", 100)
    monkeypatch.setattr(export, "BATCH_ROWS", 30)
    exported(lake)
    lake.publish([row(f"v{n:03d}", "i1", f"Many {n}.") for n in range(250)], gone=[("u1", "i1"), ("u0", "i0")])
    lake.append([row("w", "i1", "Last.")])
    made = exported(lake)
    place = lake.root / "exports" / "00000001-00000003"
    assert sorted(made["files"]) == [f"deletes-{0:05d}.parquet", *(f"upserts-{n:05d}.parquet" for n in range(3))]
    assert [made["files"][name]["rows"] for name in sorted(made["files"])] == [2, 90, 90, 71]
    before = digests(place)
    stamp = (place / "manifest.json").stat().st_mtime_ns
    left = export_changes(config_at(lake.root), since=1)
    assert (left.made, left.notes) == ([], ["00000001-00000003 stands and is as its manifest says"])
    assert (place / "manifest.json").stat().st_mtime_ns == stamp
    for path in place.iterdir():
        path.unlink()
    place.rmdir()
    assert exported(lake, since=1)["upserts"] == made["upserts"]
    assert digests(place) == before


@pytest.mark.parametrize("harm", ["lost", "cut", "changed"])
def test_a_damaged_newest_set_is_made_again_even_when_the_table_has_gone_on(lake: Lake, harm: str) -> None:
    exported(lake)
    lake.publish([row("u0", "i0", "Other words.")])
    exported(lake)
    place = lake.root / "exports" / "00000001-00000002"
    before = digests(place)
    (file,) = place.glob("*.parquet")
    data = file.read_bytes()
    file.unlink() if harm == "lost" else file.write_bytes(data[:-9] if harm == "cut" else data[:50] + b"x" + data[51:])
    lake.publish([row("u0", "i1", "Later.")])
    done = export_changes(config_at(lake.root))
    assert [one.name for one in done.made] == ["00000001-00000002", "00000002-00000003"]
    assert "made again" in done.notes[0]
    assert digests(place) == before


@pytest.mark.parametrize("asked", [{}, {"since": 1}])
def test_where_files_are_gone_everything_is_given_and_said_to_replace_all(lake: Lake, asked: dict[str, int]) -> None:
    exported(lake)
    lake.publish([row("u0", "i0", "Other words.")])
    lake.vacuum()
    made = exported(lake, **asked)
    assert (made["replaces"], made["from_version"], len(made["upserts"])) == ("all", None, 4)
    assert made["notes"] == [
        "files of version 1 are gone: made a full set instead, which takes the place of all that a store has"
    ]


def test_a_column_that_goes_or_is_called_otherwise_is_a_new_schema() -> None:
    """Consumers read these by name; a change here goes with EXPORT_SCHEMA, one that only joins them does not."""
    told = "user_id item_id scenario reason source skeleton_hash model_version policy_version renderer_version locale"
    assert EXPORT_SCHEMA == 1
    assert [*told.split(), "run_id", "night", "valid_until", "ai_label"] == UPSERTS.names[:14]
    assert DELETES.names == ["user_id", "item_id", "scenario"]


def test_where_the_log_is_gone_too(lake: Lake) -> None:
    from deltalake import DeltaTable

    exported(lake)
    lake.publish([row("u0", "i0", "Other words.")])
    DeltaTable(lake.path).create_checkpoint()
    for number in (0, 1):
        (Path(lake.path) / "_delta_log" / f"{number:020d}.json").unlink()
    assert exported(lake)["replaces"] == "all"


def test_another_table_at_the_same_place_is_exported_anew(lake: Lake) -> None:
    import shutil

    exported(lake)
    shutil.rmtree(lake.path)
    again = Lake(lake.root)
    again.publish([row("u7", "i7", "Another table.")])
    made = exported(again)
    assert (made["replaces"], made["pairs"]) == ("all", [("u7", "i7", "Another table.")])
    assert len(read_sets(lake.root / "exports")) == 1


def test_what_an_export_that_died_has_left_is_no_set_and_goes(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(export, "write_manifest", dies)
        with pytest.raises(KeyboardInterrupt):
            export_changes(config_at(lake.root))
    assert [path.name for path in (lake.root / "exports").glob("*/upserts*")] == ["upserts-00000.parquet"]
    assert read_sets(lake.root / "exports") == []
    lake.publish([row("u0", "i0", "Other words.")])
    exported(lake)
    assert [path.name for path in (lake.root / "exports").iterdir() if path.is_dir()] == ["full-00000002"]


def test_one_export_at_a_time(lake: Lake) -> None:
    with locked(lake.root / "exports"), pytest.raises(LeaseError, match="another export or a forgetting"):
        export_changes(config_at(lake.root))
    exported(lake)


def test_who_is_forgotten_enters_no_set(lake: Lake) -> None:
    exported(lake)
    lake.suppress("u0")  # a forgetting that was cut off: the rows are there still
    lake.publish([row("u0", "i0", "Other words."), row("u1", "i0", "Mine.")])
    assert [pair[0] for pair in exported(lake)["pairs"]] == ["u1"]
    assert {pair[0] for pair in exported(lake, full=True)["pairs"]} == {"u1"}
    lake.publish([], gone=[("u0", "i0"), ("u0", "i1")])
    third = exported(lake)
    assert third["deletes"] == [("u0", "i0", "recommendation"), ("u0", "i1", "recommendation")]


@pytest.mark.parametrize("secret", ["", "another key, but long enough"])
def test_without_the_key_of_the_list_nothing_is_exported(
    lake: Lake, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.suppress("u0")
    monkeypatch.setenv("REASONGEN_FORGET_KEY", secret)
    with pytest.raises(ConfigError, match=r"forget\.key: wanted"):
        export_changes(config_at(lake.root))
    assert read_sets(lake.root / "exports") == []


def test_sets_go_when_their_days_are_over_but_not_the_newest(lake: Lake) -> None:
    exported(lake)
    lake.publish([row("u0", "i0", "Other words.")])
    exported(lake)
    old = time.time() - 8 * 86_400
    for path in lake.root.glob("exports/*/manifest.json"):
        os.utime(path, (old, old))
    assert export_changes(config_at(lake.root, "export.keep_days=9")).removed == 0
    assert export_changes(config_at(lake.root)).removed == 1
    assert [one.name for one in read_sets(lake.root / "exports")] == ["00000001-00000002"]


def test_faults_are_told(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"wanted a version of reasons up to 1; found 5"):
        export_changes(config_at(lake.root), since=5)
    with pytest.raises(ConfigError, match=r"wanted a Delta table at .*none/reasons; found none"):
        export_changes(config_at(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"Set export\.dir"):
        export_changes(config_at(lake.root, "export.dir=s3://bucket/exports"))
    exported(lake)
    (path,) = lake.root.glob("exports/*/manifest.json")
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | {"schema_version": 2}))
    with pytest.raises(ExportError, match="wanted schema_version 1; found 2"):
        export_changes(config_at(lake.root))
    path.write_text("{")
    with pytest.raises(ExportError, match="wanted a manifest; found another text"):
        export_changes(config_at(lake.root))


@pytest.fixture
def job() -> ModuleType:
    """jobs/export.py as a module."""
    spec = importlib.util.spec_from_file_location("export_job", ROOT / "jobs" / "export.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_job_says_what_it_did(job: ModuleType, lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", str(ROOT / "conf" / "local.yaml"), "--set", f"root={lake.root}"]
    out = lake.root / "done.json"
    assert job.main([*words, "--json", str(out)]) == 0
    assert "full-00000001: 4 upserts, 0 deletes" in capsys.readouterr().out
    told = json.loads(out.read_text())
    assert (told["state"], told["delta_version"], told["made"][0]["set"]) == ("exported", 1, "full-00000001")
    assert job.main([*words, "--since", "1"]) == 0
    assert "unchanged" in capsys.readouterr().out
    assert job.main([*words, "--since", "9"]) == 2
    with locked(lake.root / "exports"):
        assert job.main(words) == 4
