"""Every table with its columns, from reasongen.schema."""

from __future__ import annotations

from words import cell, code, table

from reasongen import schema
from reasongen.schema import given

WHERE = {
    "pairs": "below `staging/` of a run",
    "staged": "below `staging/` of a run",
    "upserts": "in a set below `exports/`",
    "deletes": "in a set below `exports/`",
    "promotions": "below the registry of models",
}
"""Tables that do not stand below the root by their own name."""


def tables() -> list[schema.Table]:
    """Every table that the schema knows, once."""
    found = {name: one for name in schema.__all__ if isinstance(one := getattr(schema, name), schema.Table)}
    return list(found.values())


def page() -> str:
    """The reference of all tables: those of a team first."""
    yours = {id(one) for one in vars(given).values() if isinstance(one, schema.Table)}
    inputs = [one for one in tables() if id(one) in yours]
    ours = [one for one in tables() if id(one) not in yours]
    parts = [_HEAD, "## What you give", *map(_section, inputs), "## What the jobs write", *map(_section, ours)]
    return "\n\n".join(parts) + "\n"


def _section(one: schema.Table) -> str:
    facts = [f"Key: {', '.join(f'`{name}`' for name in one.key)}." if one.key else "No key."]
    if one.people:
        facts.append("Rows speak of persons: no ids and no texts in file statistics, no partition by user.")
    facts += [f"Stands {WHERE[one.name]}."] if one.name in WHERE else []
    facts += [f"Check `{name}`: `{rule}`." for name, rule in one.checks]
    rows = [
        (code(column.name), code(column.type), cell(column.doc), "" if column.required else "may be missing")
        for column in one.columns
    ]
    return f"### {one.name}\n\n{' '.join(facts)}\n\n{table(('column', 'type', 'meaning', ''), rows)}"


_HEAD = """# Tables

Types are words of Spark SQL. In the tables that you give, further columns are ignored, and columns may be called
otherwise: see [your own tables](../how-to/own-tables.md). This page is made from `reasongen/schema/` each time it is
built, and the same words stand as comments in the Delta tables."""
