"""One row per item: the words that may be said of it, and its facets as keys. Does not know any user."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from reasongen.config import EvidenceSettings
from reasongen.evidence.private import is_private
from reasongen.evidence.slots import NO_FACET_HERE, Slot, slots
from reasongen.prompts import Locale
from reasongen.prompts.neutral import TURN
from reasongen.validation import Private

TITLE_CHARS = {"zh": 20, "en": 40}
WORD_CHARS = 24
# What a cut leaves over: points at either end, and in English the word that was leading on to what is gone.
_LOOSE_ENDS = r"^[\s,:;，：；、–-]+|(?:\s+(?:and|or|with|to|of|for|the|a|an|in|on)\b)?[\s,:;，：；、–-]*$"


def catalogue(
    items: DataFrame, *, settings: EvidenceSettings, locales: Mapping[str, Locale], private: Private
) -> DataFrame:
    """Items ready to be spoken of; key item_id, and ordinal (0, 1, … in the order of item_id).

    In: item_id, title, tags, attributes, category, brand, locale (clean, unique item_id).
    `locales`: name the class of a noun (wear, eat, …; a noun that is not listed is a `thing`), and the noun of an item
    without a category, which also stands for a title of which nothing is left.
    Out: ordinal, item_id, locale, title (short), brand, noun, noun_class, words, names, values (attributes in the order
    of their names), private (it may be no evidence), and one long per slot (`NO_FACET_HERE` where the item has none).
    A private item has no facet: so no act on it supports another item, and no act on another supports it.
    """
    tags = F.slice(_words(F.coalesce("tags", F.array().cast("array<string>"))), 1, settings.item_tags)
    entries = F.array_sort(F.map_entries(F.coalesce("attributes", F.create_map().cast("map<string,string>"))))
    plain = F.transform(entries, lambda e: F.struct(_plain(e["key"]).alias("name"), _plain(e["value"]).alias("value")))
    told = F.slice(F.filter(plain, lambda e: _may_be_told(e, settings)), 1, settings.item_attributes)
    anything = _unknown_noun(locales)
    spoken = _with_short_title(items.withColumn("told", told), anything).select(
        "item_id",
        "locale",
        "title",
        F.nullif(_plain(F.col("brand")), F.lit("")).alias("brand"),
        _noun(F.col("category"), anything).alias("noun"),
        F.nullif(F.lower("category"), F.lit("")).alias("category_path"),
        tags.alias("words"),
        F.col("told.name").alias("names"),
        F.col("told.value").alias("values"),
        is_private(private).alias("private"),
    )
    keyed = spoken.select(
        (F.row_number().over(Window.orderBy("item_id")) - 1).cast("long").alias("ordinal"),
        "*",
        _class_of(locales).alias("noun_class"),
        *[_key(slot).alias(slot.name) for slot in slots(settings)],
    )
    return keyed.drop("category_path")


def _plain(text: Column) -> Column:
    """Free of what a prompt or a mark is made of; white space folded; at most WORD_CHARS characters."""
    text = F.regexp_replace(text, TURN, " ")
    return F.trim(F.substring(F.regexp_replace(text, r"[\[\]{}<>|\\\"`#\p{Cntrl}\s]+", " "), 1, WORD_CHARS))


def _may_be_told(attribute: Column, settings: EvidenceSettings) -> Column:
    """Neither name nor value is empty, and the name is one of `told_attributes`, where these are given."""
    whole = (attribute["name"] != "") & (attribute["value"] != "")
    if settings.told_attributes is None:
        return whole
    names = [name.lower() for name in settings.told_attributes]
    return whole & F.lower(attribute["name"]).isin(names)


def _words(tags: Column) -> Column:
    clean = F.transform(tags, lambda tag: F.lower(_plain(tag)))
    return F.array_distinct(F.filter(clean, lambda word: F.length(word) > 0))


def _with_short_title(items: DataFrame, anything: Column) -> DataFrame:
    """Seller's noise and a leading brand gone; cut at a word in English, at 20 characters in Chinese.

    Step by step, each a column: in one expression every use of a step would compute all of the steps before it.
    """
    bare, brand, english = F.col("title"), F.col("brand"), F.col("locale") == "en"
    noise = TURN + r"|【[^】]*】|\[[^\]]*\]|《[^》]*》推荐|[\[\]{}<>|\\\"`#\p{Cntrl}]+"
    led = F.when(F.length(brand) > 0, F.startswith(bare, brand)).otherwise(F.lit(False))
    word_end = F.nullif(F.regexp_extract(bare, rf"^.{{1,{TITLE_CHARS['en']}}}(?=\s|$)", 0), F.lit(""))
    steps = [
        F.trim(F.regexp_replace(F.regexp_replace(bare, noise, " "), r"\s+", " ")),
        F.when(led, F.trim(F.substring(bare, F.length(brand) + 1, F.length(bare)))).otherwise(bare),
        F.when(english, F.coalesce(word_end, F.substring(bare, 1, TITLE_CHARS["en"]))).otherwise(
            F.substring(bare, 1, TITLE_CHARS["zh"])
        ),
        F.trim(F.regexp_replace(bare, _LOOSE_ENDS, "")),
        F.when(bare == "", anything).otherwise(bare),
    ]
    for step in steps:
        items = items.withColumn("title", step)
    return items


def _noun(category: Column, anything: Column) -> Column:
    last = F.lower(_plain(F.element_at(F.split(category, "/"), -1)))
    return F.coalesce(F.nullif(last, F.lit("")), anything)


def _unknown_noun(locales: Mapping[str, Locale]) -> Column:
    nouns = [F.lit(text) for name, locale in locales.items() for text in (name, locale.unknown.noun)]
    return F.create_map(*nouns)[F.col("locale")]


def _class_of(locales: Mapping[str, Locale]) -> Column:
    pairs = [
        F.lit(text)
        for name, locale in locales.items()
        for noun, kind in locale.class_of.items()
        for text in (f"{name}/{noun}", kind)
    ]
    if not pairs:
        return F.lit("thing")
    known = F.create_map(*pairs)
    return F.coalesce(known[F.concat_ws("/", "locale", "noun")], F.lit("thing"))


def _key(slot: Slot) -> Column:
    """64 bits of kind, locale and value: facets of two locales never meet, so no title stands in another language.

    An attribute's name and value are parted by a sign that neither can hold (`_plain`), so a=b, c is not a, b=c.
    """
    value = {
        "category": F.col("category_path"),
        "brand": F.lower("brand"),
        "tag": F.get(F.col("words"), slot.ordinal),
        "attribute": F.nullif(
            F.concat_ws("|", F.get(F.col("names"), slot.ordinal), F.get(F.col("values"), slot.ordinal)), F.lit("")
        ),
    }[slot.facet]
    return F.when(F.col("private") | value.isNull(), F.lit(NO_FACET_HERE)).otherwise(
        F.xxhash64(F.lit(slot.facet), "locale", value)
    )
