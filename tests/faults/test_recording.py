"""The recorder itself: each state that a crash can leave is there, with the content of its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import recording

SCRIPT = """
import shutil, sys
from pathlib import Path
lake, kept = map(Path, sys.argv[1:])
(lake / "draft.tmp").write_text("four")
(lake / "draft.tmp").rename(lake / "one.json")
(lake / "part").mkdir()
(lake / "part" / "two").write_text("more")
(lake / "part").rename(lake / "whole")
(lake / "whole" / "three").hardlink_to(lake / "one.json")
(kept / ".00" / "whole").mkdir(parents=True)
for name in ("one.json", "whole/two", "whole/three"):
    (kept / ".00" / name).hardlink_to(lake / name)
(kept / "00-end").mkdir()
shutil.rmtree(lake / "whole")
(kept / "elsewhere").touch()
(lake / "one.json").unlink()
"""
STATES = [
    set[str](),
    {"draft.tmp"},
    {"one.json"},
    {"one.json", "part"},
    {"one.json", "part", "part/two"},
    {"one.json", "whole", "whole/two"},
    {"one.json", "whole", "whole/two", "whole/three"},
]


@pytest.fixture
def recorded(tmp_path: Path) -> recording.Recording:
    """The script's record."""
    if (reason := recording.why_not()) is not None:
        pytest.skip(reason)
    for name in ("lake", "kept"):
        (tmp_path / name).mkdir()
    job = [sys.executable, "-c", SCRIPT, str(tmp_path / "lake"), str(tmp_path / "kept")]
    subprocess.run([*recording.traced(tmp_path), *job], check=True)
    return recording.read_recording(tmp_path)


def stands(lake: Path) -> set[str]:
    return {str(path.relative_to(lake)) for path in lake.rglob("*")}


def test_every_state_is_made_again_in_its_order(recorded: recording.Recording, tmp_path: Path) -> None:
    made = []
    for state in range(len(recorded.changes) + 1):
        recorded.build(state, "whole", tmp_path / "again")
        made.append(stands(tmp_path / "again"))
        for file in (one for one in (tmp_path / "again").rglob("*") if one.is_file()):
            assert file.read_text() == ("more" if file.name == "two" else "four")
    assert made[: len(STATES)] == STATES
    assert made[-2:] == [{"one.json"}, set()]
    assert [change.kind for change in recorded.changes[len(STATES) - 1 :]] == ["delete"] * 4


@pytest.mark.parametrize(("torn", "left"), [("missing", None), ("empty", ""), ("half", "fo")])
def test_the_newest_file_is_torn_and_what_is_kept_stays_whole(
    recorded: recording.Recording, tmp_path: Path, torn: str, left: str | None
) -> None:
    newest = recorded.build(2, torn, tmp_path / "again").newest
    assert newest == "one.json"
    file = tmp_path / "again" / newest
    assert (file.read_text() if file.exists() else None) == left
    assert all(path.read_text() in ("four", "more") for path in recorded.content.values())
