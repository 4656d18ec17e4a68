"""Telephone numbers, e-mail addresses, id and card numbers, names and homes in what is said of an item: taken out
before anything else sees them, so none enters a prompt.

By form alone; of names and homes (`tables.persons`) what nothing stands beside is not found.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reasongen.tables.persons import CUE, HOMES, NAMES

FORMS = {
    "e-mail": r"[A-Za-z0-9._%+-]+(?:@| ?[(\[]at[)\]] ?)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    # ISO/IEC 7812; what has fewer than 15 digits looks like a barcode (GTIN), and stays
    "card number": r"(?<![0-9])[3-6][0-9]{3}(?:[ -]?[0-9]{4}){3}(?:[ -]?[0-9]{1,3})?(?![0-9])"
    r"|(?<![0-9])3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}(?![0-9])",
    # GB 11643: region, date of birth, sequence, check; and the nine digits of a US social security number
    "id number": r"(?<![0-9A-Za-z])[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}"
    r"[0-9Xx](?![0-9A-Za-z])|(?<![0-9-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9-])",
    "phone": r"(?<![0-9])(?:\+?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9])"
    r"|(?<![0-9])0[1-9][0-9]{1,2}-[0-9]{7,8}(?![0-9])"
    r"|(?<![0-9])\(?[2-9][0-9]{2}\)?[ .-][0-9]{3}[.-][0-9]{4}(?![0-9])"
    r"|(?<![0-9])07[0-9]{3} ?[0-9]{6}(?![0-9])"
    r"|\+[1-9][0-9]{0,2}(?:[ .()-]{0,2}[0-9]){7,13}(?![0-9])",
}
"""Regular expressions of Python and of Java."""
NUMBERS, PERSONS = "|".join(FORMS.values()), f"{NAMES}|{HOMES}"
CODE = "personal_data"


def without_personal(items: DataFrame) -> DataFrame:
    """Clean items without such data; their `repaired` gains `personal_data`.

    In: title, description, tags, entries, category, brand, repaired, all clean. A tag, an attribute, a category or a
    brand that holds one goes whole; from a title and a description it alone goes.
    """
    lines, names = ("title", "description"), ("category", "brand")
    held = [_holds(F.col(name)) for name in (*lines, *names)]
    held += [F.exists("tags", _holds), F.exists("entries", lambda e: _holds(e["key"]) | _holds(e["value"]))]
    told = items.withColumn("personal", F.array_max(F.array(*[F.coalesce(one, F.lit(False)) for one in held])))
    out = {name: F.when(F.col("personal"), _cut(F.col(name))).otherwise(F.col(name)) for name in lines}
    out |= {name: F.when(~F.coalesce(_holds(F.col(name)), F.lit(False)), F.col(name)) for name in names}
    out["tags"] = F.filter("tags", lambda tag: ~_holds(tag))
    out["entries"] = F.filter("entries", lambda e: ~_holds(e["key"]) & ~_holds(e["value"]))
    out["repaired"] = F.when(F.col("personal"), F.array_append("repaired", F.lit(CODE))).otherwise(F.col("repaired"))
    return told.withColumns(out).drop("personal")


def _holds(text: Column) -> Column:
    return text.rlike(NUMBERS) | (text.rlike(CUE) & text.rlike(PERSONS))


def _cut(text: Column) -> Column:
    # persons first: a name may be known by the number after it
    without = F.regexp_replace(F.regexp_replace(text, PERSONS, " "), NUMBERS, " ")
    return F.trim(F.regexp_replace(without, r"\s+", " "))
