"""Takes reasons down at once, and keeps them down: one row on a list that every night reads, one commit to `reasons`.

What is withdrawn is an item, a term, the skeleton of a reason, or what a rule of the policy refuses: nothing of a
person. A rule keeps down by itself, since every later verdict asks it; the list tells a night that began before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Literal

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.errors import ConfigError
from reasongen.pipeline.mending import mend
from reasongen.pipeline.present import item_facts, items_now
from reasongen.prompts import load_locales
from reasongen.schema import LOCALES, WITHDRAWALS
from reasongen.tables import Txn, create_if_missing, merge_changes, read_at, read_version
from reasongen.tables.delta import erase_rows
from reasongen.validation import Policy, Withdrawn, category_of, compile_policy, load_policy, plain, unlawful

Kind = Literal["item", "term", "reason", "rule"]
NOTE = "withdraw"
_WHAT: dict[Kind, str] = {
    "item": "item_id",
    "term": "reason",
    "reason": "skeleton_hash",
    "rule": "concat_ws('/', locale, item_id, sha2(reason, 256))",
}
"""SQL over `reasons`, a text: by its value a kind's rows are taken out."""


@dataclass(frozen=True)
class Withdrawals:
    """The list at one version (None: there is no list): items without a reason, what no reason may say, and since when
    what a rule refuses is down, whoever accepted it before."""

    items: tuple[str, ...] = ()
    words: Withdrawn = field(default_factory=Withdrawn)
    version: int | None = None
    rules: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class TakenDown:
    """What a withdrawal did. `state`: planned, unchanged (it was done before), or withdrawn."""

    kind: str
    state: str
    reasons: int
    delta_version: int | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def text(self) -> str:
        """One line."""
        where = "" if self.delta_version is None else f"; reasons at version {self.delta_version}"
        return f"withdraw {self.kind}: {self.state}, {self.reasons:,} reasons{where}"


def withdraw(spark: SparkSession, config: NightConfig, kind: Kind, value: str, *, dry_run: bool = False) -> TakenDown:
    """Takes down every reason for an item, with a term in its words, with a skeleton, or that a rule of the policy
    refuses as its files are now, and keeps such reasons down.

    The list comes first: a night that publishes later reads it. Raises ConfigError for a blank value or an unknown
    rule, ContractError where a rule needs the items and they cannot be read.
    """
    if not value.strip():
        raise ConfigError(f"--{kind}: wanted what to withdraw; found nothing.")
    value = plain(value) if kind == "term" else value
    if kind == "rule":
        _must_be_known(value, config)
    if not dry_run:
        mend(config.root)
    listed = (kind, value) in _rows(spark, config.root)
    if not dry_run and (not listed or kind == "rule"):  # a rule may say more than when it was listed
        _add(spark, config.root, kind, value)
    path = f"{config.root}/reasons"
    if read_version(path) is None:
        return TakenDown(kind, "planned" if dry_run else "withdrawn", 0, None)
    gone = _matching(spark, config, kind, (value,))
    reasons = _count(spark, path, kind, gone)
    if reasons and not dry_run:
        erase_rows(gone, path, _WHAT[kind], metadata=NOTE)
    state = "planned" if dry_run else "unchanged" if listed and not reasons else "withdrawn"
    return TakenDown(kind, state, reasons, read_version(path))


def read_withdrawals(spark: SparkSession, root: str) -> Withdrawals:
    """The whole list: some dozens of rows, written by people."""
    rows = _rows(spark, root)
    by_kind = {kind: tuple(value for found, value in rows if found == kind) for kind in _WHAT}
    words = Withdrawn(by_kind["term"], frozenset(by_kind["reason"]))
    rules = {value: at for (kind, value), at in rows.items() if kind == "rule"}
    return Withdrawals(by_kind["item"], words, read_version(f"{root}/{WITHDRAWALS.name}"), rules)


def take_down_since(spark: SparkSession, config: NightConfig, seen: Withdrawals) -> int:
    """Takes out of `reasons` what was withdrawn after `seen` was read; returns the rows. For a night that published
    meanwhile. What stood on the list before was heeded, or lifted since by who accepted the sentence again."""
    if read_version(f"{config.root}/{WITHDRAWALS.name}") == seen.version:
        return 0
    path, rows = f"{config.root}/reasons", 0
    by_kind: dict[Kind, list[str]] = {}
    heeded = {} if seen.version is None else _rows(spark, config.root, seen.version)
    for (kind, value), at in _rows(spark, config.root).items():
        if heeded.get((kind, value)) != at:
            by_kind.setdefault(kind, []).append(value)
    for kind, values in by_kind.items():
        gone = _matching(spark, config, kind, tuple(values))
        if found := _count(spark, path, kind, gone):
            erase_rows(gone, path, _WHAT[kind], metadata=NOTE)
            rows += found
    return rows


def _rows(spark: SparkSession, root: str, version: int | None = None) -> dict[tuple[Kind, str], datetime]:
    """When each was withdrawn, in the order of kind and value; as of `version`, else now."""
    path = f"{root}/{WITHDRAWALS.name}"
    if read_version(path) is None:
        return {}
    table = spark.read.format("delta").load(path) if version is None else read_at(spark, path, version)
    told = ("kind", "value", F.unix_micros("withdrawn_at").alias("at"))
    rows = table.select(*told).orderBy("kind", "value").collect()
    return {(row["kind"], row["value"]): datetime.fromtimestamp(row["at"] / 1e6, UTC) for row in rows}


def _add(spark: SparkSession, root: str, kind: Kind, value: str) -> None:
    path, now = f"{root}/{WITHDRAWALS.name}", datetime.now(UTC)
    create_if_missing(spark, path, WITHDRAWALS)
    row = spark.createDataFrame([(kind, value, now)], WITHDRAWALS.ddl)
    merge_changes(row, path, WITHDRAWALS, txn=Txn(f"reasongen/{NOTE}/{now.isoformat()}", 0), metadata=NOTE)


def _matching(spark: SparkSession, config: NightConfig, kind: Kind, values: tuple[str, ...]) -> DataFrame:
    """The values of _WHAT that go, unique."""
    reasons = spark.read.format("delta").load(f"{config.root}/reasons")
    if kind == "term":
        texts = reasons.select(F.col("reason").alias("gone")).distinct()
        return texts.mapInArrow(_holding(Withdrawn(values)), "gone string")  # Spark's SQL knows no NFKC
    if kind == "rule":
        nouns = item_facts(items_now(spark, config), config).select("item_id", "noun")
        texts = reasons.select("locale", "item_id", "reason", F.expr(_WHAT[kind]).alias("gone")).distinct()
        judged = texts.join(nouns, "item_id", "left").select("locale", "noun", "reason", "gone")
        return judged.mapInArrow(
            _breaking(load_policy(*config.policies), _classes(config), frozenset(values)), "gone string"
        )
    return spark.createDataFrame([(value,) for value in values], "gone string")


def _holding(words: Withdrawn) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            held = [bool(words.failures(text, "")) for text in batch.column(0).to_pylist()]
            yield batch.filter(pa.array(held, pa.bool_()))

    return run


def _breaking(
    policy: Policy, classes: Mapping[str, Mapping[str, str]], rules: frozenset[str]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """In: locale, noun (null: the item is gone, and what a rule asks of its category nobody knows), reason, gone.
    `classes`: locale → noun → class of the noun: a rule takes an item for what the night's verdict takes it for."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        gates = {locale: compile_policy(policy, locale) for locale in LOCALES}

        def broken(locale: str, noun: str | None, text: str) -> bool:
            category = category_of(noun, classes.get(locale, {}).get(noun, "thing")) if noun else ""
            return any(one.rule in rules for one in unlawful(gates[locale], text, category))

        for batch in batches:
            rows = zip(*(batch.column(name).to_pylist() for name in ("locale", "noun", "reason")), strict=True)
            yield batch.select(["gone"]).filter(pa.array([broken(*row) for row in rows], pa.bool_()))

    return run


def _classes(config: NightConfig) -> dict[str, Mapping[str, str]]:
    return {name: locale.class_of for name, locale in load_locales(config.locale_files).items()}


def _must_be_known(rule: str, config: NightConfig) -> None:
    known = sorted({one.id for one in load_policy(*config.policies).rules})
    if rule not in known:
        near = get_close_matches(rule, known, n=1) or known[:1]
        raise ConfigError(
            f"--rule: wanted the id of a rule below {', '.join(config.policies)}; found another. Try {near[0]}."
        )


def _count(spark: SparkSession, path: str, kind: Kind, gone: DataFrame) -> int:
    rows = spark.read.format("delta").load(path).select(F.expr(_WHAT[kind]).alias("here"))
    return int(rows.join(gone, F.col("here") == F.col("gone"), how="left_semi").count())
