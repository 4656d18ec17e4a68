"""What a page tells of texts: reasons to read, refusals, variety, lengths. All of it is asked of the written tables.

Nothing here is about one person. A text is shown where its prompt is that of `k` users or more (`forget.shared_by`), or
where no behaviour is in it; and what a user's own history would fill in (a title, a number) is left out of it, always.
So a page holds nothing that forgetting a user would have to reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from reasongen.report.lake import Lake

RANDOM, NEWEST, PER_CATEGORY, CATEGORIES = 4, 3, 2, 40
_OWN = ("title", "items", "count")
"""Forms of a mark that a user's own history fills: never shown. The other forms stand in the prompt, or in the item."""
_PERSONAL = "len(evidence) > 0 AND source = 'model'"
_DRAW = "md5(concat('a fixed draw', prompt_hash, skeleton_hash))"
_PICK = "md5(concat(user_id, '/', item_id))"
_SHARED = f"""
CREATE OR REPLACE TEMP TABLE shared AS
SELECT locale, source, prompt_hash, skeleton_hash, count(*) AS n, count(DISTINCT user_id) AS users,
  max(generated_at) AS newest, bool_or({_PERSONAL}) AS personal, min({_PICK}) AS pick
FROM reasons WHERE scenario = $scenario
GROUP BY locale, source, prompt_hash, skeleton_hash
HAVING users >= $k OR NOT personal
"""
_TEXTS = f"""
CREATE OR REPLACE TEMP TABLE texts AS
SELECT s.*, r.item_id, r.reason, r.claims, r.evidence
FROM shared s JOIN reasons r USING (locale, source, prompt_hash, skeleton_hash)
WHERE r.scenario = $scenario AND {_PICK} = s.pick
"""
_OPENED = r"regexp_replace(g.text, '\[[a-z0-9]+\.[a-z0-9]+\]', '…', 'g')"


class Part(NamedTuple):
    """A piece of a text. `source`: "" for the model's own words, i for the item, e1 … e4; `own`: the form of a mark
    that a user's history filled, whose text is left out."""

    text: str
    source: str
    own: str = ""


@dataclass(frozen=True)
class Reading:
    """One reason to read: its parts, and its evidence as (id, facet, word, act)."""

    locale: str
    item_id: str
    title: str | None
    category: str | None
    source: str
    users: int
    parts: tuple[Part, ...]
    evidence: tuple[tuple[str, str, str, str], ...]


def prepare(lake: Lake, scenario: str, k: int) -> Mapping[str, int]:
    """Makes the table of texts that may be shown. Wants the views `reasons` and `items`; returns rows (all reasons),
    shown (reasons whose text may be shown), texts."""
    lake.rows(_SHARED, scenario=scenario, k=k)
    lake.rows(_TEXTS, scenario=scenario)
    rows = lake.one("SELECT count(*) AS n FROM reasons WHERE scenario = $scenario", scenario=scenario)["n"]
    return {"rows": rows, **lake.one("SELECT coalesce(sum(n), 0)::BIGINT AS shown, count(*) AS texts FROM texts")}


def to_read(lake: Lake) -> dict[str, list[Reading]]:
    """Readings by how they were chosen: random, newest (of the last run that wrote any, where there are others too),
    by_category; each in the same order at every look."""
    known = "SELECT t.*, i.title, i.category FROM texts t LEFT JOIN items i ON i.item_id = t.item_id"
    last = "newest = (SELECT max(newest) FROM texts) AND newest > (SELECT min(newest) FROM texts)"

    def ranked(partition: str, most: int, where: str = "true") -> str:
        ranks = f"row_number() OVER (PARTITION BY {partition} ORDER BY NOT personal, {_DRAW}) AS rank"
        return f"SELECT *, {ranks} FROM ({known}) WHERE {where} QUALIFY rank <= {most} ORDER BY {partition}, rank"

    asked = {
        "random": ranked("locale, personal", RANDOM),
        "newest": ranked("locale", NEWEST, last),
        "by_category": ranked("locale, category", PER_CATEGORY, "category IS NOT NULL")
        + f" LIMIT {PER_CATEGORY * CATEGORIES}",
    }
    return {name: [_reading(row) for row in lake.rows(sql)] for name, sql in asked.items()}


def _reading(row: Mapping[str, Any]) -> Reading:
    facts = (row["evidence"] or ()) if row["source"] == "model" else ()
    told = tuple((fact["id"], fact["facet"], fact["word"] or fact["value"] or "", fact["action"]) for fact in facts)
    parts = tuple(parts_of(row["reason"], row["claims"] or ()))
    return Reading(
        row["locale"], row["item_id"], row["title"], row["category"], row["source"], row["users"], parts, told
    )


def parts_of(text: str, claims: Sequence[Mapping[str, Any]]) -> list[Part]:
    """The text, cut at its claims; what a user's history fills in is left out."""
    parts: list[Part] = []
    at = 0
    for claim in sorted(claims, key=lambda one: one["start"]):
        if claim["start"] > at:
            parts.append(Part(text[at : claim["start"]], ""))
        form = claim["mark"].rstrip("]").rpartition(".")[2]
        own = form if claim["evidence"].startswith("e") and form in _OWN else ""
        parts.append(Part("" if own else text[claim["start"] : claim["end"]], claim["evidence"], own))
        at = claim["end"]
    return [*parts, Part(text[at:], "")] if at < len(text) else parts


def variety(lake: Lake, scenario: str) -> list[dict[str, Any]]:
    """A row for each locale: n, skeletons, per_1000 (distinct skeletons in a thousand reasons, the mean over
    thousands), top (reasons with the commonest skeleton), mean, low, high (quartiles of the characters), most."""
    return lake.rows(
        """
        WITH mine AS (SELECT *, length(reason) AS chars FROM reasons WHERE scenario = $scenario),
        blocks AS (
          SELECT locale, hash(user_id, item_id) % greatest(1, (count(*) OVER (PARTITION BY locale)) // 1000) AS block,
            skeleton_hash FROM mine),
        thousands AS (
          SELECT locale, avg(d) AS per_1000 FROM (
            SELECT locale, block, count(DISTINCT skeleton_hash) AS d FROM blocks GROUP BY ALL) GROUP BY locale),
        commonest AS (
          SELECT locale, max(n) AS top FROM (
            SELECT locale, skeleton_hash, count(*) AS n FROM mine GROUP BY ALL) GROUP BY locale)
        SELECT locale, count(*) AS n, count(DISTINCT skeleton_hash) AS skeletons, any_value(per_1000) AS per_1000,
          any_value(top) AS top, avg(chars) AS mean, quantile_disc(chars, 0.25) AS low,
          quantile_disc(chars, 0.75) AS high, max(chars) AS most
        FROM mine JOIN thousands USING (locale) JOIN commonest USING (locale) GROUP BY locale ORDER BY locale
        """,
        scenario=scenario,
    )


def lengths(lake: Lake, scenario: str, locale: str) -> list[dict[str, Any]]:
    """Reasons by their length in steps of `step` characters: x (where a step begins), n; no step is left out."""
    sql = """
        WITH mine AS (SELECT length(reason) AS chars FROM reasons WHERE scenario = $scenario AND locale = $locale),
        step AS (SELECT greatest(1, ceil((max(chars) - min(chars) + 1) / 16))::BIGINT AS size FROM mine),
        found AS (SELECT chars // size AS place, count(*) AS n FROM mine, step GROUP BY ALL)
        SELECT p.place * size AS x, coalesce(n, 0) AS n
        FROM (SELECT unnest(range(min(place), max(place) + 1)) AS place FROM found) p
        LEFT JOIN found USING (place), step ORDER BY x
        """
    return lake.rows(sql, scenario=scenario, locale=locale)


def openings(lake: Lake, scenario: str, k: int, most: int = 8) -> list[dict[str, Any]]:
    """How the model's sentences begin, names as `…`: locale, opening (6 characters in Chinese, 3 words in English),
    n; the commonest of each locale. Wants the views `reasons` and `generations`."""
    sql = f"""
        WITH begun AS (
          SELECT r.locale, r.user_id, CASE r.locale WHEN 'zh' THEN left({_OPENED}, 6)
            ELSE array_to_string(list_slice(string_split({_OPENED}, ' '), 1, 3), ' ') END AS opening
          FROM reasons r JOIN generations g ON g.prompt_hash = r.prompt_hash AND g.model_version = r.model_version
            AND g.decode_hash = r.decode_hash AND sha256(g.text) = r.skeleton_hash AND g.owner IS NULL
          WHERE r.scenario = $scenario AND r.source = 'model')
        SELECT locale, opening, count(*) AS n FROM begun GROUP BY locale, opening
        HAVING count(DISTINCT user_id) >= $k
        QUALIFY row_number() OVER (PARTITION BY locale ORDER BY n DESC, opening) <= $most
        ORDER BY locale, n DESC, opening
        """
    return lake.rows(sql, scenario=scenario, k=k, most=most)
