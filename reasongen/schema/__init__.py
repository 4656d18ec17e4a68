"""Every table of the road in one place: columns, types, what null means, keys. Knows neither Spark nor a path.

table.py     what a table and a column are; acts and languages
given.py     what a team gives: events, items, users, candidates, references; exposures, feedback, before
written.py   what the jobs write: generations, reasons, quarantine, runs, …, and what is exported of them

Types are Spark DDL words, since Delta stores those; `Table.ddl` joins them.
"""

from reasongen.schema.given import (
    BEFORE,
    CANDIDATES,
    EVENTS,
    EXPOSURES,
    FEEDBACK,
    FEEDBACK_KINDS,
    INPUTS,
    ITEMS,
    REFERENCES,
    SPLITS,
    USERS,
)
from reasongen.schema.runs import QUALITY, RUNS
from reasongen.schema.table import ACTIONS, LOCALES, SHARED_BY, Column, Table
from reasongen.schema.written import (
    ARCHIVE,
    DECISIONS,
    DELETES,
    DISLIKES,
    EXAMPLES,
    EXPORT_SCHEMA,
    GENERATIONS,
    OUTPUTS,
    PAIRS,
    PROMOTIONS,
    QUARANTINE,
    REASONS,
    REVIEW_DECISIONS,
    REVIEW_QUEUE,
    REVIEWS,
    STAGED,
    SUPPRESSIONS,
    UPSERTS,
    WITHDRAWALS,
)

__all__ = [
    "ACTIONS",
    "ARCHIVE",
    "BEFORE",
    "CANDIDATES",
    "DECISIONS",
    "DELETES",
    "DISLIKES",
    "EVENTS",
    "EXAMPLES",
    "EXPORT_SCHEMA",
    "EXPOSURES",
    "FEEDBACK",
    "FEEDBACK_KINDS",
    "GENERATIONS",
    "INPUTS",
    "ITEMS",
    "LOCALES",
    "OUTPUTS",
    "PAIRS",
    "PROMOTIONS",
    "QUALITY",
    "QUARANTINE",
    "REASONS",
    "REFERENCES",
    "REVIEWS",
    "REVIEW_DECISIONS",
    "REVIEW_QUEUE",
    "RUNS",
    "SHARED_BY",
    "SPLITS",
    "STAGED",
    "SUPPRESSIONS",
    "UPSERTS",
    "USERS",
    "WITHDRAWALS",
    "Column",
    "Table",
]
