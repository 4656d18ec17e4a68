"""The tables that a team gives. They list what the jobs need: further columns of a team's table are ignored."""

from __future__ import annotations

from reasongen.schema.table import ACTIONS, Column, Table

_C = Column

EVENTS = Table(
    "events",
    (
        _C("user_id", "string", "who acted; null: the row is rejected"),
        _C("item_id", "string", "on what; null or not in items: the row is rejected"),
        _C("event", "string", f"one of {', '.join(ACTIONS)}; another word: the row is rejected"),
        _C("ts", "timestamp", "when, UTC; null: the row is rejected"),
        _C("text", "string", "a comment's words; never enters a prompt", required=False),
        _C("rating", "double", "stars; null: none given", required=False),
    ),
    people=True,
)

ITEMS = Table(
    "items",
    (
        _C("item_id", "string", "the item; null: the row is rejected"),
        _C("title", "string", "as the seller wrote it; null or blank: the item is rejected"),
        _C("description", "string", "free text", required=False),
        _C("tags", "array<string>", "descriptive words; null: none", required=False),
        _C("attributes", "map<string,string>", "name to value with unit; null: none", required=False),
        _C("category", "string", "a path by '/', the last part is the noun; null: a plain product", required=False),
        _C("brand", "string", "null: none", required=False),
        _C("price", "decimal(12,2)", "never stands in a reason", required=False),
        _C("locale", "string", "zh or en; null: the configured default", required=False),
        _C("image_uri", "string", "unused tonight", required=False),
    ),
    key=("item_id",),
)

USERS = Table(
    "users",
    (
        _C("user_id", "string", "the user; null: the row is rejected"),
        _C("tags", "array<string>", "profile words; null: none", required=False),
        _C("personalise", "boolean", "consent; null or a missing row: no"),
        _C("minor", "string", "yes, no, unknown; yes: no reason is made", required=False),
    ),
    key=("user_id",),
    people=True,
)

CANDIDATES = Table(
    "candidates",
    (
        _C("user_id", "string", "to whom; null: the row is rejected"),
        _C("item_id", "string", "what; null or not in items: the row is rejected"),
        _C("scenario", "string", "which surface; null: the night's scenario", required=False),
        _C("rank", "int", "1 is shown first", required=False),
        _C("score", "double", "the recommender's own", required=False),
    ),
    key=("user_id", "item_id", "scenario"),
    people=True,
)

INPUTS = {table.name: table for table in (EVENTS, ITEMS, USERS, CANDIDATES)}

SPLITS = ("train", "validation", "test")

REFERENCES = Table(
    "references",
    (
        _C("user_id", "string", "for whom it was written; null: for anybody", required=False),
        _C("item_id", "string", "about what; null or not in items: the row is rejected"),
        _C("reason", "string", "the labelled words; null or blank: the row is rejected"),
        _C("split", "string", "train, validation or test; null: drawn by item and user", required=False),
        _C("ts", "timestamp", "UTC; evidence is what was known before; null: the night's date", required=False),
    ),
    people=True,
)

FEEDBACK_KINDS = ("impression", "click", "dislike", "report", "purchase")

EXPOSURES = Table(
    "exposures",
    (
        _C("user_id", "string", "to whom; null: the row is left out"),
        _C("item_id", "string", "what was recommended; null: the row is left out"),
        _C("arm", "string", "the user's arm; null or not in the settings: the row is left out"),
        _C("propensity", "double", "probability of what was shown, above 0, at most 1; else the row is left out"),
        _C("shown_at", "timestamp", "when, UTC; null: the row is left out"),
        _C("reason_id", "string", "the reason shown beside it; null: none", required=False),
        _C("version", "string", "of that reason; null: none", required=False),
        _C("segment", "string", "what a policy may look at; null: none", required=False),
        _C("variant", "string", "what was drawn with that propensity within the arm; null: the arm", required=False),
    ),
    people=True,
)

FEEDBACK = Table(
    "feedback",
    (
        _C("event_id", "string", "one id an event: the second row of an id is left out; null: the row is left out"),
        _C("user_id", "string", "who; null: the row is left out"),
        _C("item_id", "string", "on what; null: the row is left out"),
        _C("kind", "string", f"one of {', '.join(FEEDBACK_KINDS)}; another word: the row is left out"),
        _C("at", "timestamp", "when, UTC; null: the row is left out"),
        _C("reason_id", "string", "the reason it answers; null: the newest exposure of the pair", required=False),
        _C("version", "string", "of that reason; null: any", required=False),
    ),
    people=True,
)

BEFORE = Table(
    "before",
    (
        _C("user_id", "string", "who; null: the row is left out"),
        _C("value", "double", "the metric of this user before the start; null: the row is left out"),
        _C("metric", "string", "which metric of the settings; null: every one", required=False),
    ),
    people=True,
)
