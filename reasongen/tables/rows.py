"""Gives every faulty row a code instead of an exception: rejected rows stay in the frame, with the reason why.

Each `clean_…` takes the frame of a `SourceFrame` (or one like it) and returns it with `reject` (the one code that keeps
the row out, or null). `codes` lists all of a row's codes, repairs included, without nulls.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reasongen.schema import ACTIONS, LOCALES
from reasongen.tables.columns import unique_keys, yes_or_no
from reasongen.tables.personal import CODE, without_personal
from reasongen.tables.sources import MALFORMED
from reasongen.tables.suppression import Suppressed, with_suppressed
from reasongen.tables.text import MAX_PARTS, clean, clean_entries, clean_parts, locale_word, repairs, usable_id

REJECTING = (
    "malformed",
    "null_user_id",
    "null_item_id",
    "no_title",
    "unknown_locale",
    "unknown_event",
    "null_ts",
    "future_ts",
    "unknown_scenario",
    "unknown_item",
    "item_rejected",
)
"""The first that holds is the row's `reject`, in each function's own order. Equal events are counted apart, as
`duplicate`: they do no harm, and finding them costs a shuffle."""
REPAIRED = ("html", "control_characters", "broken_utf8", "oversize", "bad_consent", CODE)
DAY = timedelta(days=1)


def clean_items(
    items: DataFrame, *, default_locale: str = "zh", locales: Collection[str] = LOCALES, max_chars: int = 20_000
) -> DataFrame:
    """Items with their texts cleaned; key item_id among rows without `reject`.

    In: the columns of `schema.ITEMS`, malformed. Out: item_id, title, description, tags, attributes, category, brand,
    price, locale (zh or en; the default where none was given), codes, reject. Repairs: html, control_characters,
    broken_utf8, oversize (cut at `max_chars` characters, or at 64 tags or attributes), personal_data (numbers,
    names and addresses that lead to a person, see `tables.personal`).
    """
    lines = ["title", "description", "category", "brand"]
    arrays = [F.col("tags"), F.map_keys("attributes"), F.map_values("attributes")]
    cleaned = items.select(
        "item_id",
        *[clean(F.col(name), max_chars).alias(name) for name in lines],
        clean_parts(F.col("tags"), max_chars).alias("tags"),
        clean_entries(F.col("attributes"), max_chars).alias("entries"),
        "price",
        locale_word(F.col("locale"), default_locale).alias("locale"),
        repairs([F.col(name) for name in lines], arrays, max_chars).alias("repaired"),
        MALFORMED,
    )
    reject = _first(
        malformed=F.col(MALFORMED),
        null_item_id=~usable_id(F.col("item_id")),
        no_title=F.coalesce("title", F.lit("")) == "",
        unknown_locale=~F.col("locale").isin(*locales),
    )
    # What was cleaned is named before it is used again: an expression inside a lambda is computed for every element.
    judged = without_personal(cleaned).select(
        "*", unique_keys(F.col("entries")).alias("attributes"), reject.alias("reject")
    )
    kept = ["item_id", "title", "description", "tags", "attributes", "category", "brand", "price", "locale"]
    return judged.select(*kept, _all_codes(F.col("repaired")).alias("codes"), "reject")


def clean_users(users: DataFrame) -> DataFrame:
    """Users with their consent as a plain yes or no; key user_id among rows without `reject`.

    In: user_id, tags, personalise (null: no), minor, malformed. `personalise` may be text, for its unknown words.
    Out: user_id, tags, personalise (never null), minor (yes, no or unknown), codes, reject. Repair: bad_consent, a word
    that is neither yes nor no, which counts as no.
    """
    given = F.trim(F.col("personalise").cast("string"))
    said = yes_or_no(given)
    bad = F.coalesce(given != "", F.lit(False)) & said.isNull()
    minor = yes_or_no(F.col("minor"))
    return (
        users.select(
            "user_id",
            F.slice("tags", 1, MAX_PARTS).alias("tags"),
            F.coalesce(said, F.lit(False)).alias("personalise"),
            F.when(minor, F.lit("yes")).when(~minor, F.lit("no")).otherwise(F.lit("unknown")).alias("minor"),
            F.array_compact(F.array(F.when(bad, F.lit("bad_consent")))).alias("repaired"),
            _first(malformed=F.col(MALFORMED), null_user_id=~usable_id(F.col("user_id"))).alias("reject"),
        )
        .select("*", _all_codes(F.col("repaired")).alias("codes"))
        .drop("repaired")
    )


def clean_events(events: DataFrame, items: DataFrame, *, begin: datetime) -> DataFrame:
    """Events with their codes. Equal ones all stay: evidence is made of maxima, which do not mind.

    In: `schema.EVENTS`, malformed; `items` from `clean_items` (item_id, reject), small enough to broadcast. `begin`:
    where the night's date begins (UTC). Out: user_id, item_id, event, ts, reject. Events on the night's own date
    have no code, and `valid_events` leaves them out.
    """
    known = _known_items(items)
    joined = events.join(F.broadcast(known), events["item_id"] == known["known_id"], how="left")
    reject = _first(
        malformed=F.col(MALFORMED),
        null_user_id=_blank(F.col("user_id")),
        null_item_id=_blank(F.col("item_id")),
        unknown_event=~F.coalesce(F.col("event").isin(*ACTIONS), F.lit(False)),
        null_ts=F.col("ts").isNull(),
        future_ts=F.col("ts") >= F.lit(begin + DAY),
        unknown_item=F.col("known_id").isNull(),
        item_rejected=~F.col("item_usable"),
    )
    return joined.select("user_id", "item_id", "event", "ts", reject.alias("reject"))


def valid_events(events: DataFrame, *, begin: datetime) -> DataFrame:
    """What of the events may be evidence, as far as the row itself can tell: who joins it with the usable items leaves
    out the rest. The hot path: plain filters. In: as for `clean_events`. Out: user_id, item_id, event, ts, all before
    `begin`."""
    plain = ~F.col(MALFORMED) & ~_blank(F.col("user_id")) & F.col("event").isin(*ACTIONS)
    return events.where(plain & (F.col("ts") < F.lit(begin))).select("user_id", "item_id", "event", "ts")


def clean_candidates(
    candidates: DataFrame,
    items: DataFrame,
    users: DataFrame | None,
    *,
    scenario: str,
    other_scenarios: Collection[str] = (),
    consent: str = "required",
    suppressed: Suppressed | None = None,
    withdrawn_items: Collection[str] = (),
) -> DataFrame:
    """The night's pairs, each with why it is kept out, and whether behaviour may be its evidence.

    In: `schema.CANDIDATES`, malformed; `items` and `users` cleaned. Rows of `other_scenarios` belong to other runs and
    are left out. `consent` "assumed": without a users table everybody is personalised. `suppressed`: the users whom no
    night may know; their rows are counted, without the id. Out: user_id, item_id, scenario (filled in), rank, score,
    reject, skip (suppressed, withdrawn, minor, or null; only without reject), personal (boolean).
    """
    surface = F.coalesce(F.nullif(F.trim("scenario"), F.lit("")), F.lit(scenario))
    rows = candidates.withColumn("scenario", surface).where(~F.col("scenario").isin(*other_scenarios))
    rows = with_suppressed(rows, suppressed)
    known = _known_items(items)
    rows = rows.join(known, rows["item_id"] == known["known_id"], how="left")
    if users is None:
        rows = rows.select("*", F.lit(consent == "assumed").alias("may"), F.lit("unknown").alias("minor"))
    else:
        people = users.where(F.col("reject").isNull()).select(
            F.col("user_id").alias("person"), F.col("personalise").alias("may"), "minor"
        )
        rows = rows.join(people, rows["user_id"] == people["person"], how="left")
    reject = _first(
        malformed=F.col(MALFORMED),
        null_user_id=~usable_id(F.col("user_id")),
        null_item_id=~usable_id(F.col("item_id")),
        unknown_scenario=F.col("scenario") != scenario,
        unknown_item=F.col("known_id").isNull(),
        item_rejected=~F.col("item_usable"),
    )
    who = F.when(~F.col("suppressed"), F.col("user_id")).alias("user_id")
    told = ("item_id", "scenario", "rank", "score", "minor", "may", "suppressed")
    judged = rows.select(who, *told, reject.alias("reject"))
    kept_out = _first(
        suppressed=F.col("suppressed"),
        withdrawn=F.col("item_id").isin(*withdrawn_items),
        minor=F.col("minor") == "yes",
    )
    skip = F.when(F.col("reject").isNull(), kept_out)
    personal = F.coalesce("may", F.lit(False)) & F.col("reject").isNull() & skip.isNull()
    return judged.select(
        "user_id", "item_id", "scenario", "rank", "score", "reject", skip.alias("skip"), personal.alias("personal")
    )


def count_codes(frame: DataFrame) -> dict[str, int]:
    """Rows by code, zeros left out: one aggregate over `codes` where the frame has it, else over `reject`."""
    if "codes" not in frame.columns:
        by_code = frame.groupBy("reject").agg(F.count(F.lit(1)).alias("rows")).where(F.col("reject").isNotNull())
        return {row["reject"]: row["rows"] for row in by_code.orderBy("reject").collect()}
    sums = [F.count_if(F.array_contains("codes", code)).alias(code) for code in (*REJECTING, *REPAIRED)]
    return {code: rows for code, rows in frame.agg(*sums).collect()[0].asDict().items() if rows}


def count_event_codes(events: DataFrame) -> dict[str, int]:
    """Events by code, and as `duplicate` those without one that repeat an equal one (user, item, event, ts).

    In one pass over the events and one shuffle of one long per row. Compared as 63-bit hashes: among ten million rows
    one pair of different events is taken for equal once in 200,000 runs, and only this count would tell.
    """
    row = F.xxhash64("user_id", "item_id", "event", "ts")
    # Rejected rows need no telling apart: 64 negative keys for each code, so that no task gets all of them.
    place = F.array_position(F.array(*map(F.lit, REJECTING)), F.col("reject"))
    rejected = -(place * 64 + F.pmod(row, F.lit(64)))
    key = F.when(F.col("reject").isNull(), row.bitwiseAND(F.lit((1 << 63) - 1))).otherwise(rejected)
    # Nearly all rows differ, so an aggregate before the shuffle would only cost: the keys are shuffled first.
    by_row = events.select(key.alias("row")).repartition("row").groupBy("row").agg(F.count(F.lit(1)).alias("rows"))
    code = F.when(F.col("row") < 0, F.shiftright(-F.col("row"), 6)).otherwise(0).cast("int").alias("code")
    by_code = by_row.groupBy(code).agg(F.sum("rows").alias("rows"), F.sum(F.col("rows") - 1).alias("again"))
    counts: dict[str, int] = {}
    for found in by_code.orderBy("code").collect():
        counts[REJECTING[found["code"] - 1] if found["code"] else "duplicate"] = found[
            "rows" if found["code"] else "again"
        ]
    return {name: rows for name, rows in counts.items() if rows}


def _known_items(items: DataFrame) -> DataFrame:
    named = items.where(usable_id(F.col("item_id")) & (F.coalesce("reject", F.lit("")) != "malformed"))
    return named.select(F.col("item_id").alias("known_id"), F.col("reject").isNull().alias("item_usable"))


def _blank(text: Column) -> Column:
    return F.coalesce(text == "", F.lit(True))


def _first(**tests: Column) -> Column:
    """The name of the first test that holds; null where none does."""
    code = F.lit(None).cast("string")
    for name, test in reversed(tests.items()):
        code = F.when(test, F.lit(name)).otherwise(code)
    return code


def _all_codes(repaired: Column) -> Column:
    return F.when(F.col("reject").isNull(), repaired).otherwise(F.array_append(repaired, F.col("reject")))
