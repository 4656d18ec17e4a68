"""A disk that is full or read-only: what stood stays readable, and the next run completes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from nights import night_over, reasons
from pyspark.sql import SparkSession

from reasongen.config import NightConfig
from reasongen.pipeline import generate_night

pytestmark = pytest.mark.slow
WORDS = ["user_id", "item_id", "scenario", "reason", "source", "prompt_hash", "valid_until"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[str], None]]]:
    """A disk of its own, of 300 MB, and how to mount it anew with other options."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False, timeout=20)
    except FileNotFoundError:
        pytest.skip("no mount on this machine")
    if done.returncode:
        pytest.skip("this user may mount no disk")

    def again(options: str) -> None:
        remount = ["mount", "-o", f"remount,{options}", str(place)]
        subprocess.run(remount, check=True, capture_output=True, timeout=20)

    try:
        yield place, again
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=20)


def words(config: NightConfig) -> pl.DataFrame:
    """What a reader finds."""
    return reasons(config).select(WORDS).sort(WORDS[:3])


@pytest.mark.long
def test_a_night_on_a_full_or_a_read_only_disk_leaves_what_stood_and_the_next_one_completes(
    spark: SparkSession, small_world: Path, tmp_path: Path, disk: tuple[Path, Callable[[str], None]]
) -> None:
    place, mount = disk
    first = night_over(small_world, place / "lake")
    assert generate_night(spark, first).status == "published"
    stood = words(first)
    other = night_over(small_world, place / "lake", "engine.seed=3")
    used = sum(file.stat().st_blocks * 512 for file in place.rglob("*") if file.is_file())
    for options in ("ro", f"rw,size={used // 1024 + 400}k"):
        mount(options)
        with pytest.raises(Exception, match=r"No space left|os error 28|Read-only|os error 30|Mkdirs failed"):
            generate_night(spark, other)
        assert words(first).equals(stood), options
        mount("rw,size=300m")
        # Its process would be dead by now, and seen to be: that it could not give its lease back holds nobody up.
        DeltaTable(f"{first.root}/leases/recommendation").update(new_values={"process_began": 0.0})
    assert generate_night(spark, other).status == "published"
    alone = night_over(small_world, tmp_path / "alone", "engine.seed=3")
    generate_night(spark, alone)
    assert words(other).equals(words(alone))
    assert not words(other).equals(stood)
