"""The models that a night may load: one folder each, a table of what was decided, and `current`, a link to one of them.

    <root>/<12 digits of the weights' digest>/   weights, tokenizer, template, recipe.json, evaluation.json, README.md
    <root>/promotions                            Delta: who came and went, and why
    <root>/current                               the folder that nights load (engine.model)

The link is the truth, since a night reads it; the table tells how it came to be. Folders are never changed or deleted.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from reasongen.config import EngineSettings
from reasongen.engine.door import directory_digest, model_version
from reasongen.errors import ConfigError, ModelError
from reasongen.schema import PROMOTIONS
from reasongen.training.directory import stages_of, write_merged

LINK, TABLE = "current", "promotions"
PROMOTED, REFUSED, ROLLED_BACK = "promoted", "refused", "rolled_back"
_TYPES = {"string": pa.string(), "timestamp": pa.timestamp("us", "UTC"), "array<string>": pa.list_(pa.string())}
_SCHEMA = pa.schema([(column.name, _TYPES[column.type]) for column in PROMOTIONS.columns])


class Registry:
    """One folder of models. Two who change it at once both leave their row; the later link stands."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @property
    def current(self) -> Path | None:
        """The folder that nights load; None before the first promotion. Raises ConfigError where it is no link, or one
        to nothing."""
        link = self.root / LINK
        if not link.is_symlink():
            if link.exists():
                raise ConfigError(f"{link}: wanted a link to a model's folder; found no link. Move it away.")
            return None
        if not link.is_dir():
            raise ConfigError(
                f"{link}: wanted a link to a model's folder; found one to nothing. Put the folder back, or remove the"
                " link and promote a model."
            )
        return link.resolve()

    def add(self, engine: EngineSettings) -> Path:
        """Puts the model of these settings, its LoRA merged in, into a folder of its own; once. Raises ModelError."""
        self.root.mkdir(parents=True, exist_ok=True)
        fresh = self.root / f".{uuid4().hex}"
        try:
            if engine.adapter is None:
                shutil.copytree(engine.model, fresh, ignore=shutil.ignore_patterns("evaluation.json", "README.md"))
            else:
                write_merged(engine, fresh)
            place = self.root / directory_digest(str(fresh))[:12]
            if not place.exists():
                fresh.rename(place)
        except OSError as error:
            raise ModelError(f"{engine.model}: wanted a folder to copy; found: {type(error).__name__}") from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return place

    def describe(self, place: Path, figures: Mapping[str, Any], licence: str) -> None:
        """Writes what was measured and the card into a model's folder. Neither is part of the model's version."""
        (place / "evaluation.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        (place / "README.md").write_text(_card(place, figures, licence), encoding="utf-8")

    def promote(self, place: Path) -> None:
        """From now on nights load this folder."""
        self.record(PROMOTED, place, [])
        self._link(place)

    def roll_back(self) -> Path:
        """Back to the model before the current one; returns its folder. Raises ConfigError where there is none."""
        now = self.current
        before = [name for name in self._loaded(now.name) if name != now.name] if now else []
        if not before:
            raise ConfigError(f"{self.root}: wanted a model before the current one; found none. Promote one instead.")
        place = self.root / before[-1]
        self.record(ROLLED_BACK, place, [])
        self._link(place)
        return place

    def _loaded(self, now: str) -> list[str]:
        """The folders that nights loaded up to `now`, each way back taken off. What the next row finds current tells
        whether a row's link was turned: one that was killed in between was not."""
        rows = self.history()
        stack: list[str] = []
        for row, then in zip(rows, [*(row["before"] for row in rows[1:]), now], strict=True):
            if row["action"] == REFUSED or row["folder"] != then:
                continue
            if row["action"] == ROLLED_BACK:
                _cut_to(stack, then)
            if stack[-1:] != [then]:
                stack.append(then)
        _cut_to(stack, now)
        return stack

    def record(self, action: str, place: Path, reasons: list[str]) -> None:
        """One row of schema.PROMOTIONS."""
        was = self.current
        row = {
            "at": datetime.now(UTC),
            "action": action,
            "folder": place.name,
            "model_version": model_version(EngineSettings(model=str(place))),
            "before": was.name if was else None,
            "reasons": reasons,
        }
        write_deltalake(self.root / TABLE, pa.Table.from_pylist([row], _SCHEMA), mode="append")

    def history(self) -> list[dict[str, Any]]:
        """The rows of the table, first to last."""
        path = str(self.root / TABLE)
        if not DeltaTable.is_deltatable(path):
            return []
        rows: list[dict[str, Any]] = DeltaTable(path).to_pyarrow_table().to_pylist()
        return sorted(rows, key=lambda row: row["at"])

    def _link(self, place: Path) -> None:
        """Replaced in one step: a night finds the old folder or the new one."""
        fresh = self.root / f".{uuid4().hex}"
        fresh.symlink_to(place.name, target_is_directory=True)
        os.replace(fresh, self.root / LINK)


def _cut_to(stack: list[str], name: str) -> None:
    """Takes off what stands above the last `name`, if it is there."""
    while name in stack and stack[-1] != name:
        stack.pop()


def _card(place: Path, figures: Mapping[str, Any], licence: str) -> str:
    """What a person should know before the model is used."""
    mine = figures["writers"]["candidate"]["figures"]
    stages = stages_of(place)
    last = stages[-1] if stages else {}
    learnt = last.get("examples_sha256") or last.get("corpus_sha256") or "not stated"
    lines = [
        f"# Model {place.name}",
        "",
        "Writes one short reason for a user-item pair from a frame of facts, in Chinese and English. What it writes is",
        "shown only where the night's verdict passes it. It knows no price, no stock, and nothing of any user.",
        "",
        f"- Licence: {licence}",
        f"- Template: {figures['template']}",
        f"- Stages of training: {len(stages)}; the last learnt from {learnt}",
        f"- Measured on {figures['pairs']} pairs of {figures['split']} (all of it in evaluation.json): whole verdict",
        f"  passed {_share(mine['passed'])}, claims borne {_share(mine['borne'])}, ROUGE-1"
        f" {_share(mine['rouge1_target'])}",
    ]
    return "\n".join(lines) + "\n"


def _share(value: float | None) -> str:
    """A model that writes no claim at all has no share of them borne."""
    return "none" if value is None else f"{value:.1%}"
