"""Input tables as they are this moment, whichever versions the settings pin: for what has to be taken back now."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig, SourceSettings
from reasongen.errors import ContractError
from reasongen.evidence import catalogue
from reasongen.prompts import load_locales
from reasongen.schema import ITEMS, Table
from reasongen.tables import SourceFrame, clean_items, clean_users, read_source
from reasongen.validation import load_private


def newest(spark: SparkSession, source: SourceSettings, table: Table) -> SourceFrame:
    """An input at its newest version. Raises ContractError where it cannot be read."""
    found = read_source(spark, source.model_copy(update={"version": None}), table)
    if found.faults:
        raise ContractError(found.faults)
    return found


def items_now(spark: SparkSession, config: NightConfig) -> SourceFrame:
    """The catalogue. Raises ContractError."""
    return newest(spark, config.inputs.items, ITEMS)


def item_facts(items: SourceFrame, config: NightConfig) -> DataFrame:
    """What a frame shows of each usable item; key item_id. Out: item_id, noun, words, attribute, brand (whether it has
    one), private (no act on it may be evidence)."""
    inputs = config.inputs
    clean = clean_items(
        items.frame, default_locale=inputs.default_locale, locales=config.locales, max_chars=inputs.max_text_chars
    )
    # Two rows of one item stop a night by its contract; a taking back does not wait for that.
    usable = clean.where(F.col("reject").isNull()).dropDuplicates(["item_id"])
    private = load_private(config.privacy, config.locales)
    known = catalogue(usable, settings=config.evidence, locales=load_locales(config.locale_files), private=private)
    attribute = F.get("names", F.lit(0)).alias("attribute")
    return known.select("item_id", "noun", "words", attribute, F.col("brand").isNotNull().alias("brand"), "private")


def people(users: SourceFrame) -> DataFrame:
    """Key user_id. Out: user_id, may (behaviour may be evidence), minor; of two rows the one that allows less."""
    told = clean_users(users.frame).where(F.col("reject").isNull())
    may, minor = F.bool_and("personalise").alias("may"), F.bool_or(F.col("minor") == "yes").alias("minor")
    return told.groupBy("user_id").agg(may, minor)
