"""Items that tell what nobody should be told of a person, for Spark: the words are those of validation.private."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from reasongen.validation import Private


def is_private(private: Private) -> Column:
    """Whether an item is; of title, tags, attributes and category as `tables.clean_items` gives them."""
    attributes = F.coalesce("attributes", F.create_map().cast("map<string,string>"))
    parts = [F.col("title"), F.col("category"), F.array_join("tags", "\n")]
    named = [F.array_join(part(attributes), "\n") for part in (F.map_keys, F.map_values)]
    return F.lower(F.concat_ws("\n", *parts, *named)).rlike(private.pattern)
