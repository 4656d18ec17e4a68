"""Reads labelled pairs, as `jobs/examples.py` writes them: what a model is taught from, and measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from reasongen.errors import ConfigError
from reasongen.prompts.frame import Frame, Literals
from reasongen.schema import EXAMPLES, SPLITS

_READ = ("user_id", "item_id", "split", "locale", "template", "frame", "literals", "reason", "target")


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """One pair with the words that people gave it (`reason`) and what of these its facts bear (`target`, with marks
    where the template has marks; None: nothing)."""

    user_id: str | None
    item_id: str
    split: str
    locale: str
    template: str
    frame: Frame
    literals: Literals
    reason: str
    target: str | None


def read_labelled(place: str | Path, splits: Sequence[str] = SPLITS) -> list[LabelledPair]:
    """The pairs of these splits, in an order that only their contents decide.

    `place`: the Delta table `examples`, or one Parquet file with its columns. Raises ConfigError where it is not there,
    lacks a column, holds no row of a split, or holds rows for several templates.
    """
    table = _table(Path(place))
    if missing := [name for name in _READ if name not in table.column_names]:
        raise ConfigError(f"{place}: wanted the columns {', '.join(EXAMPLES.names)}; missing: {', '.join(missing)}.")
    rows = [row for row in table.select(_READ).to_pylist() if row["split"] in splits]
    if empty := [split for split in splits if split not in {row["split"] for row in rows}]:
        raise ConfigError(f"{place}: wanted rows of the splits {', '.join(splits)}; found none of {', '.join(empty)}.")
    if len(keys := sorted({row["template"] for row in rows})) > 1:
        raise ConfigError(f"{place}: wanted rows for one template; found {', '.join(keys)}. Write the table anew.")
    rows.sort(key=lambda row: (row["split"], row["item_id"], row["user_id"] or "", row["frame"], row["reason"]))
    return [_pair(row) for row in rows]


def _table(place: Path) -> pa.Table:
    if place.is_file():
        return pq.read_table(place)
    if not (place / "_delta_log").is_dir():
        raise ConfigError(
            f"{place}: wanted the Delta table `examples` or a Parquet file; found none. Run jobs/examples.py."
        )
    # Not delta-rs's own reader: its threads can end a process that is about to end. Its paths write a space as %20.
    files = [unquote(path) for path in DeltaTable(str(place)).file_uris()]
    return ds.dataset(files, format="parquet").to_table(columns=list(_READ))


def _pair(row: dict[str, str]) -> LabelledPair:
    made = {**row, "frame": Frame.from_json(row["frame"]), "literals": Literals.from_json(row["literals"])}
    return LabelledPair(**made)  # type: ignore[arg-type]
