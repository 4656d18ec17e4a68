"""Every state of the lake in which a crash can leave it, from a record of what was done to its files.

strace writes down each file made, renamed, linked or deleted, in order; the files' content comes from the marks that
`recorded.py` sets. State k is the lake before change k: its files stand there whole, but for the newest one, which may
also be missing, empty or cut in half, as after a loss of power.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CALLS = "open,openat,creat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
TORN = ("whole", "missing", "empty", "half")
_LINE = re.compile(r"^\d+ +(?:\S+ +)?(\w+)\((.*)\) += (\d+)")
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')


def why_not() -> str | None:
    """Why nothing can be recorded here; None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "strace may not trace processes here"


def record(folder: Path) -> None:
    """Does all steps of `days.py` in `folder` under strace; nothing where that was done before."""
    if (folder / "done").exists():
        return
    import days

    shutil.rmtree(folder, ignore_errors=True)
    days.write_days(folder / "world")
    (folder / "kept").mkdir()
    job = [sys.executable, str(HERE / "recorded.py"), *(str(folder / name) for name in ("world", "lake", "kept"))]
    with (folder / "output").open("w") as output:
        subprocess.run([*traced(folder), *job], stdout=output, stderr=output, check=True)
    (folder / "done").touch()


def traced(folder: Path) -> list[str]:
    """What goes before a command: its successful calls are written to `folder/trace` in their order."""
    quietly = ["strace", "-f", "-z", "-y", "-qq", "--seccomp-bpf", "-s", "4096", "-e", "signal=none"]
    return [*quietly, "-e", f"trace={CALLS}", "-o", str(folder / "trace")]


@dataclass(frozen=True)
class Change:
    """One call: `kind` is make, folder, rename, link, delete; `step`: what was being done."""

    kind: str
    path: str
    to: str = ""
    step: str = ""


@dataclass
class Tree:
    """Files and folders of the lake at one moment: path below it → number of the file, None for a folder."""

    entries: dict[str, int | None] = field(default_factory=dict)
    newest: str = ""
    made: int = 0

    def apply(self, change: Change) -> None:
        """Goes one change further."""
        entries, path = self.entries, change.path
        if change.kind == "folder":
            entries[path] = None
        elif change.kind == "make":
            entries[path] = self.made
            self.made += 1
        elif change.kind == "link":
            entries[change.to] = entries[path]
        elif change.kind == "delete":
            entries.pop(path)
        else:
            below = {name: entries.pop(name) for name in list(entries) if name == path or name.startswith(f"{path}/")}
            entries.update({change.to + name[len(path) :]: number for name, number in below.items()})
        target = change.to or path
        if change.kind != "delete" and entries[target] is not None:
            self.newest = target


@dataclass(frozen=True)
class Recording:
    """What `record` left in a folder, read."""

    folder: Path
    changes: tuple[Change, ...]
    content: dict[int, Path]

    def tree(self, state: int) -> Tree:
        """The lake before change number `state`."""
        tree = Tree()
        for change in self.changes[:state]:
            tree.apply(change)
        return tree

    def build(self, state: int, torn: str, lake: Path) -> Tree:
        """Makes the lake of a state below `lake`, of hard links."""
        tree = self.tree(state)
        shutil.rmtree(lake, ignore_errors=True)
        lake.mkdir(parents=True)
        for path, number in tree.entries.items():
            place = lake / path
            (place if number is None else place.parent).mkdir(parents=True, exist_ok=True)
            if number is not None and number in self.content:
                os.link(self.content[number], place)
            elif number is not None:
                place.touch()  # a temporary one, gone before the next mark
        if torn != "whole" and tree.newest in tree.entries:
            newest = lake / tree.newest
            whole = newest.read_bytes()
            newest.unlink()  # never through the link: the others keep their content
            if torn != "missing":
                newest.write_bytes(whole[: len(whole) // 2] if torn == "half" else b"")
        return tree


def read_recording(folder: Path) -> Recording:
    """The changes of a record in their order, and where each file's content is kept."""
    lake, kept, tree = str(folder / "lake"), str(folder / "kept"), Tree()
    changes, content, step = list[Change](), dict[int, Path](), 0
    names = [path.name for path in sorted(folder.glob("kept/??-*"))]
    steps = [name[3:] for name in names if "before-" not in name]
    for kind, path, to in _calls(folder / "trace"):
        if kind == "folder" and re.fullmatch(re.escape(kept) + r"/\d\d-.*", path):
            number, name = path.rsplit("/", 1)[1].split("-", 1)
            content.update(_kept(tree, Path(kept, f".{number}"), content))
            step += "before-" not in name
        if not all(one.startswith(f"{lake}/") for one in filter(None, (path, to))):
            continue  # elsewhere, or the marks' own second names
        change = Change(kind, path[len(lake) + 1 :], to[len(lake) + 1 :], steps[min(step, len(steps) - 1)])
        if kind == "make" and change.path in tree.entries:
            continue  # opened again, not made
        tree.apply(change)
        changes.append(change)
    return Recording(folder, tuple(changes), content)


def _kept(tree: Tree, place: Path, known: dict[int, Path]) -> Iterator[tuple[int, Path]]:
    for path, number in tree.entries.items():
        if number is not None and number not in known and (place / path).is_file():
            yield number, place / path


def _calls(trace: Path) -> Iterator[tuple[str, str, str]]:
    """Kind, path, and second path, of each call that changed a folder."""
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if (found := _LINE.match(line)) is None:
            continue
        name, told = found[1], found[2]
        paths = [os.path.normpath(os.path.join(base or "/", path)) for base, path in _PATH.findall(told)]
        if not paths:
            continue
        if name in ("open", "openat", "creat"):
            if "O_CREAT" in told or name == "creat":
                yield "make", paths[0], ""
        elif name.startswith("mkdir"):
            yield "folder", paths[0], ""
        elif name.startswith("rename"):
            yield "rename", paths[0], paths[1]
        elif name.startswith("link"):
            yield "link", paths[0], paths[1]
        else:
            yield "delete", paths[0], ""
