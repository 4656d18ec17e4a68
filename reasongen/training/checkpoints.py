"""The folder of a run that is not finished: checkpoints that are either whole or not there, and whose they are.

A checkpoint counts once `whole.json` stands in it, with the digest of every other file; that is written last. So a
process may die at any moment: the next one takes the newest whole checkpoint and deletes the torn ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from reasongen.errors import ConfigError

_OWNER, _SEAL = "settings.json", "whole.json"


def work_folder(out: str) -> Path:
    """Where the checkpoints of a run stand."""
    return Path(out).with_name(f"{Path(out).name}.work")


def open_work(out: str, digest: str) -> Path:
    """The run's folder, new or from an earlier try with the same `digest`. Raises ConfigError where it is another's."""
    work = work_folder(out)
    work.mkdir(parents=True, exist_ok=True)
    owner = work / _OWNER
    if not owner.is_file() and not any(work.glob("checkpoint-*")):
        _write(owner, {"digest": digest})
    if not owner.is_file() or json.loads(owner.read_text(encoding="utf-8")).get("digest") != digest:
        raise ConfigError(
            f"{work}: wanted checkpoints of these settings, base and examples; found those of a run with others."
            f" Go back to its settings to finish it, delete {work} to start anew, or set out."
        )
    return work


def seal(checkpoint: Path, seconds: float) -> None:
    """Says that a checkpoint is whole. `seconds`: what the run has taken so far."""
    files = {path.name: _digest(path) for path in sorted(checkpoint.iterdir()) if path.name != _SEAL}
    _write(checkpoint / _SEAL, {"seconds": seconds, "files": files})


def newest_whole(work: Path) -> Path | None:
    """The last checkpoint whose files are all as they were written; every torn one is deleted."""
    whole = []
    for folder in work.glob("checkpoint-*"):
        if _is_whole(folder):
            whole.append(folder)
        else:
            shutil.rmtree(folder)
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def seconds_of(checkpoint: Path) -> float:
    """What the run had taken when it wrote this checkpoint."""
    return float(_read(checkpoint / _SEAL)["seconds"])


def saved_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint, or of its adapter."""
    weights: dict[str, Tensor] = {}
    for path in sorted(checkpoint.glob("*.safetensors")):
        weights |= load_file(path)
    return weights


def _is_whole(folder: Path) -> bool:
    try:
        files = _read(folder / _SEAL)["files"]
        return all(_digest(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError):
        return False


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def _write(path: Path, content: dict[str, Any]) -> None:
    fresh = path.with_name(f".{path.name}")
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
