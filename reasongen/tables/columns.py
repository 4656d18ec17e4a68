"""How one of a team's columns becomes one of ours: which types are taken, and how text is read as a value.

Delta and Parquet carry types, so a wrong one is a fault of the table. JSON lines and CSV carry text, so every value is
tried, and only a column in which no value can be read is a fault.
"""

from __future__ import annotations

import re

from pyspark.sql import Column
from pyspark.sql import functions as F

_WHOLE = {"tinyint", "smallint", "int", "bigint"}
_NUMBER = {*_WHOLE, "float", "double", "decimal"}
_ATOM = {*_NUMBER, "string", "boolean", "date", "timestamp", "timestamp_ntz"}
_TAKEN = {
    "string": {*_WHOLE, "string", "boolean"},
    "double": _NUMBER,
    "int": _WHOLE,
    "decimal": _NUMBER,
    "timestamp": {"timestamp", "timestamp_ntz", "date"},
    "boolean": {"boolean", "string", *_WHOLE},
}
_YES = ("true", "yes", "y", "t", "1")
_NO = ("false", "no", "n", "f", "0")


def takes(wanted: str, found: str) -> bool:
    """Whether a typed column `found` can stand for `wanted` (both Spark DDL types) without reading text as a value."""
    if wanted == "array<string>":
        inner = re.fullmatch(r"array<(.+)>", found)
        return inner is not None and _root(inner[1]) in _ATOM
    if wanted == "map<string,string>":
        inner = re.fullmatch(r"map<string,(.+)>", found)
        return inner is not None and _root(inner[1]) in _ATOM
    return _root(found) in _TAKEN[_root(wanted)]


def from_typed(value: Column, wanted: str) -> Column:
    """A typed value as `wanted`; one that does not fit (a price of thirteen digits) becomes null."""
    return yes_or_no(value) if wanted == "boolean" else value.try_cast(wanted)


def from_json_text(text: Column, wanted: str) -> Column:
    """The text of a JSON value as `wanted`; null where it cannot be read."""
    if wanted == "map<string,string>":
        return F.from_json(text, "map<string,string>")
    if wanted == "array<string>":
        return F.when(F.startswith(F.ltrim(text), F.lit("[")), F.from_json(text, "array<string>"))
    return from_typed(text, wanted)


def from_csv_text(text: Column, wanted: str) -> Column:
    """The text of a CSV field as `wanted`: an array is `a|b|c`; a map is a JSON object or `name=value;name=value`."""
    if wanted == "array<string>":
        return F.filter(F.transform(F.split(text, r"\|"), lambda part: F.trim(part)), lambda part: part != "")
    if wanted == "map<string,string>":
        return F.when(F.startswith(F.ltrim(text), F.lit("{")), from_json_text(text, wanted)).otherwise(_pairs(text))
    return from_typed(text, wanted)


def yes_or_no(value: Column) -> Column:
    """true, false, or null for a word that is neither: the caller decides what an unknown word means."""
    word = F.lower(F.trim(value.cast("string")))
    return F.when(word.isin(*_YES), F.lit(True)).when(word.isin(*_NO), F.lit(False))


def unique_keys(entries: Column) -> Column:
    """A map from entries (struct key, value): the first of equal keys stays, since Spark fails on two of them."""
    keys = F.transform(entries, lambda e: e["key"])
    firsts = F.filter(entries, lambda e, i: F.array_position(keys, e["key"]) == i + 1)
    return F.map_from_entries(firsts)


def _pairs(text: Column) -> Column:
    parts = F.filter(F.split(text, ";"), lambda part: F.instr(part, "=") > 1)
    entries = F.transform(
        parts,
        lambda part: F.struct(
            F.trim(F.substring_index(part, "=", 1)).alias("key"),
            F.trim(F.substr(part, F.instr(part, "=") + 1)).alias("value"),
        ),
    )
    return unique_keys(entries)


def _root(ddl: str) -> str:
    return ddl.split("(")[0]
