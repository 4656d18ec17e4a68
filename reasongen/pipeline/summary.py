"""The end of a night as text: what became of every candidate, what it cost, and some reasons to read."""

from __future__ import annotations

import json

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import Row

from reasongen.config import NightConfig
from reasongen.pipeline.ledger import Run

READER = "python -c \"import deltalake; print(deltalake.DeltaTable('{path}').to_pandas().head())\""
ENDS = ("candidates", "published", "fallback", "kept", "re_rendered", "removed")


def summary(spark: SparkSession, run: Run, config: NightConfig) -> str:
    """At most one screen; shows `config.show` reasons, shared between the locales."""
    pairs = run.pairs
    at = f", reasons at version {run.delta_version}" if run.delta_version is not None else ""
    lost = _coded(pairs, ("quarantined", "skipped.", "rejected.")) or "none quarantined, skipped or rejected"
    work = f"{run.tokens_in:,} in, {run.tokens_out:,} out, {run.samples:,} samples"
    lines = [
        f"run {run.run_id}: {run.status}{at}",
        "pairs      " + ", ".join(f"{pairs.get(name, 0):,} {name.replace('_', '-')}" for name in ENDS),
        "           " + lost,
        "prompts    " + ", ".join(f"{count:,} {name}" for name, count in run.prompts.items()),
        f"tokens     {work}, {run.model_loads} model load(s) on {run.device}",
        "row codes  " + (", ".join(f"{code} {count:,}" for code, count in sorted(run.codes.items())) or "none"),
        "seconds    " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in run.seconds.items()),
    ]
    lines += _unlike(run)
    path = f"{config.root}/reasons"
    if run.status in ("published", "unchanged"):
        lines += _shown(spark.read.format("delta").load(path), config) if config.show else []
        lines.append(f"reasons    {path}    read it: {READER.format(path=path)}")
    return "\n".join(lines)


def _unlike(run: Run) -> list[str]:
    """Each failed check, and a query that shows the rows: this text holds no value of theirs."""
    lines: list[str] = []
    for check in json.loads(run.gate)["checks"] if run.gate else []:
        if not check["passed"]:
            head = "warning" if check["verdict"] == "warned" else "gate"
            lines.append(f"{head:<10} {check['name']}: wanted {check['wanted']}, found {check['found']}")
            lines.append(f"           look: {check['look']}")
    return lines


def _coded(pairs: dict[str, int], groups: tuple[str, ...]) -> str:
    found = sorted((name, count) for name, count in pairs.items() if name.startswith(groups))
    return ", ".join(f"{count:,} {name.replace('.', ' ')}" for name, count in found)


def _shown(reasons: DataFrame, config: NightConfig) -> list[str]:
    """Reasons by model with evidence, in the order of their prompt's hash, so that two looks show the same."""
    mine = (F.col("source") == "model") & (F.size("evidence") > 0) & (F.col("scenario") == config.scenario)
    good = reasons.where(mine).select("locale", "reason", "item_id", "evidence", "prompt_hash", "user_id")
    lines: list[str] = []
    share = -(-config.show // len(config.locales))
    for locale in config.locales:
        wanted = min(share, config.show - len(lines) // 2)
        rows = good.where(F.col("locale") == locale).orderBy("prompt_hash", "item_id", "user_id").limit(wanted)
        for row in rows.collect():
            lines.append(f"  {row['reason']}")
            lines.append(f"      on {row['item_id']}: " + "; ".join(_told(fact) for fact in row["evidence"]))
    return lines


def _told(fact: Row) -> str:
    facet = f"{fact['facet']} {fact['word']}" if fact["word"] else fact["facet"]
    return f"{fact['action']} {fact['items']} × {facet}, newest {fact['title']}, {fact['last_ts']:%Y-%m-%d}"
