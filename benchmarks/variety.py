"""How varied the published reasons of the default night are: python benchmarks/night.py --only variety"""

from __future__ import annotations

from typing import Any

import polars as pl
from worlds import ROOT

from reasongen.config import load_settings
from reasongen.evaluation.skeletons import skeleton, variety
from reasongen.training.exam import ExamSettings, training_skeletons


def night_variety(rounds: int) -> dict[str, Any]:
    """Of the reasons that the model wrote in `.local/lake`, against the corpus that it was trained on."""
    lake = ROOT / ".local" / "lake"
    if not (lake / "reasons").is_dir():
        return {"nothing to read": "run `make generate` first"}
    reasons = pl.read_delta(str(lake / "reasons")).filter(pl.col("source") == "model")
    key = ["prompt_hash", "model_version", "decode_hash"]
    texts = pl.read_delta(str(lake / "generations")).filter(pl.col("sample") == 0).select(*key, "text")
    told = reasons.join(texts, on=key, how="inner").sort("prompt_hash", "user_id", "item_id")
    corpus = training_skeletons(load_settings(ExamSettings, ROOT / "conf" / "evaluate.yaml"))
    rows = [(locale, text) for locale, text in told.select("locale", "text").iter_rows()]
    whole = variety(rows, corpus)
    figures: dict[str, Any] = {
        "reasons by the model": whole.reasons,
        "distinct skeletons (at least 200)": whole.skeletons,
        "of the skeletons, verbatim in the corpus (at most 0.5)": whole.verbatim,
        "of the reasons, verbatim in the corpus": sum(skeleton(text) in corpus for _, text in rows) / len(rows),
    }
    figures["openings per 1,000 (at least 60)"] = whole.openings_per_1000
    for locale in ("zh", "en"):
        own = [row for row in rows if row[0] == locale]
        figures[f"openings per 1,000, {locale}"] = variety(own, corpus).openings_per_1000
    return figures
