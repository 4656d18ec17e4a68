"""The tables that the jobs write, those that only a run sees, and what is exported."""

from __future__ import annotations

from reasongen.schema.runs import QUALITY, RUNS
from reasongen.schema.table import Column, Table

_C = Column

_SPAN = "array<struct<start:int,end:int,evidence:string,mark:string>>"
_EVIDENCE = (
    "array<struct<id:string,facet:string,word:string,action:string,items:int,item_id:string,title:string,"
    "value:string,last_ts:timestamp>>"
)
_FAILURE = "array<struct<rule:string,start:int,end:int,detail:string>>"
_REFUSED = f"array<struct<sample:int,text:string,failures:{_FAILURE}>>"
_DOUBTS = "array<struct<rule:string,detail:string,mark:int,at:int,words:string,start:int,end:int>>"
_DOUBTED = f"array<struct<skeleton:string,text:string,frame:string,key:string,doubts:{_DOUBTS}>>"

PAIRS = Table(
    "pairs",
    (
        _C("user_id", "string", "to whom"),
        _C("item_id", "string", "what"),
        _C("scenario", "string", "which surface"),
        _C("personal", "boolean", "the user's own behaviour may be evidence"),
        _C("prompt_hash", "string", "sha-256 of template and frame"),
        _C("frame", "string", "what the prompt shows, canonical JSON"),
        _C("literals", "string", "what it hides, JSON: the renderer fills it in"),
        _C("evidence", _EVIDENCE, "rows that the reason may rest on, best first; empty: catalogue alone"),
        _C("fact_hash", "bigint", "64 bits of frame and literals: what a kept reason must still rest on"),
    ),
    key=("user_id", "item_id", "scenario"),
    people=True,
)

GENERATIONS = Table(
    "generations",
    (
        _C("prompt_hash", "string", "sha-256 of template and frame"),
        _C("model_version", "string", "digest of weights, tokenizer, template and adapter"),
        _C("decode_hash", "string", "digest of what changes a sample: temperature, truncation, length, dtype, seed"),
        _C("sample", "int", "0, 1, …: the number seeds the sampling"),
        _C("text", "string", "with its marks"),
        _C("finish_reason", "string", "stop, length, or error:<code>"),
        _C("tokens_in", "int", "tokens of the prompt"),
        _C("tokens_out", "int", "tokens written, the end mark included"),
        _C("logprob", "double", "sum over the tokens written, natural log, temperature 1"),
        _C("mask_version", "string", "the constraint in force; 'none' without one"),
        _C("owner", "string", "users who share the prompt, hashed, a blank between; empty: unnamed; null: enough do"),
        _C("run_id", "string", "the run that paid for it"),
        _C("engine_id", "string", "one value for each load of the model"),
        _C("generated_at", "timestamp", "UTC"),
    ),
    key=("prompt_hash", "model_version", "decode_hash", "sample"),
    statistics=("prompt_hash", "model_version", "decode_hash", "sample", "run_id"),
    checks=(("sample_from_zero", "sample >= 0"),),
)

REASONS = Table(
    "reasons",
    (
        _C("user_id", "string", "to whom"),
        _C("item_id", "string", "what"),
        _C("scenario", "string", "which surface"),
        _C("reason", "string", "the words to show"),
        _C("evidence", _EVIDENCE, "the rows it rests on, best first; empty: catalogue alone"),
        _C("claims", _SPAN, "spans of the reason (characters) and the evidence that fills them"),
        _C("source", "string", "model or fallback"),
        _C("skeleton_hash", "string", "sha-256 of the text with its marks unfilled"),
        _C("model_version", "string", "digest; the fallback carries it too: what it fell back from"),
        _C("decode_hash", "string", "joins generations"),
        _C("prompt_hash", "string", "joins generations"),
        _C("policy_version", "string", "the rules that passed it"),
        _C("renderer_version", "string", "what filled the marks"),
        _C("fact_hash", "bigint", "64 bits of the facts it was made from"),
        _C("locale", "string", "zh or en"),
        _C("run_id", "string", "the run that wrote this row; a kept row keeps its run"),
        _C("night", "date", "the night of that run"),
        _C("generated_at", "timestamp", "UTC; when this row was staged"),
        _C("published_at", "timestamp", "UTC; when the publishing began"),
        _C("valid_until", "date", "the last day on which it may be shown"),
        _C("ai_label", "string", "JSON with the fields of GB 45438"),
    ),
    key=("user_id", "item_id", "scenario"),
    people=True,
    statistics=("run_id", "scenario", "generated_at"),
    checks=(
        ("source_known", "source in ('model', 'fallback')"),
        ("reason_not_empty", "length(reason) > 0"),
        ("key_complete", "user_id is not null and item_id is not null and scenario is not null"),
    ),
)

_NOT_SERVED = ("evidence", "claims", "decode_hash", "prompt_hash", "fact_hash", "generated_at", "published_at")

UPSERTS = Table("upserts", tuple(c for c in REASONS.columns if c.name not in _NOT_SERVED), key=REASONS.key, people=True)
"""What a store is given of a reason: nothing of the user's history. A row is changed where one of these differs."""

DELETES = Table("deletes", tuple(c for c in REASONS.columns if c.name in REASONS.key), key=REASONS.key, people=True)
"""Keys that left `reasons`."""

EXPORT_SCHEMA = 1
"""Goes up when a column of UPSERTS or DELETES changes its meaning or goes; a new one may join."""

STAGED = Table(
    "staged",
    (
        *REASONS.columns[:-6],
        _C("valid_until", "date", "the last day on which it may be shown"),
        _C("personal", "boolean", "behaviour was allowed as evidence"),
        _C("passed", "boolean", "the verdict, computed once: every reader takes this column"),
        _C("sample", "int", "which sample was chosen; null for a fallback"),
        _C("refused", _REFUSED, "samples that failed, and a fallback that failed (sample null)"),
        _C("doubted", _DOUBTED, "of these, where no sample passed: samples that a person may pass"),
    ),
    key=("user_id", "item_id", "scenario"),
    people=True,
    statistics=("scenario", "source"),
)

QUARANTINE = Table(
    "quarantine",
    (
        _C("run_id", "string", "the run"),
        _C("night", "date", "its night"),
        _C("user_id", "string", "to whom"),
        _C("item_id", "string", "what"),
        _C("scenario", "string", "which surface"),
        _C("sample", "int", "null: the fallback itself failed"),
        _C("text", "string", "as rendered"),
        _C("failures", _FAILURE, "every rule that refused it"),
    ),
    people=True,
    statistics=("run_id", "scenario"),
)

SUPPRESSIONS = Table(
    "suppressions",
    (
        _C("user_hash", "string", "HMAC-SHA-256 of the user id, hex: without the key it names nobody"),
        _C("key_id", "string", "tells which key made it, without telling the key"),
        _C("suppressed_at", "timestamp", "UTC; from then on no night makes a reason for this user"),
        _C("removed_at", "timestamp", "UTC; when the last rows were taken out; null: cut off before that"),
        _C("purged_at", "timestamp", "UTC; when files of older versions were deleted; null: still to do"),
    ),
    key=("user_hash",),
    people=True,
)

WITHDRAWALS = Table(
    "withdrawals",
    (
        _C("kind", "string", "item, term, reason, or rule"),
        _C("value", "string", "item_id; words in NFKC without case; skeleton_hash; id of a rule: never a user's"),
        _C("withdrawn_at", "timestamp", "UTC; from then on no night publishes such a reason"),
    ),
    key=("kind", "value"),
)

DISLIKES = Table(
    "dislikes",
    (
        _C("user_id", "string", "who said no"),
        _C("item_id", "string", "to the sentence about what"),
        _C("scenario", "string", "on which surface"),
        _C("skeleton_hash", "string", "the sentence; this user never gets it again for this item"),
        _C("kind", "string", "dislike or report; a report counts towards taking the sentence down for everybody"),
        _C("at", "timestamp", "UTC; when they first said so"),
    ),
    key=("user_id", "item_id", "scenario", "skeleton_hash"),
    people=True,
)
"""Made by the first dislike or report that is taken."""

_SHOWN = "run_id night scenario item_id locale source skeleton_hash model_version policy_version renderer_version"
ARCHIVE = Table(
    "archive",
    (
        *[column for column in REASONS.columns if column.name in _SHOWN.split()],
        _C("text", "string", "the reason; the user's own facts stand as their marks; null: they may be words in it"),
        _C("pairs", "bigint", "rows of reasons with this text for this item, once the run had published"),
    ),
)

OUTPUTS = {table.name: table for table in (GENERATIONS, REASONS, QUARANTINE, RUNS, ARCHIVE, QUALITY)}

_OF_A_SKELETON = (
    _C("skeleton_hash", "string", "sha-256 of the text with its marks unfilled"),
    _C("locale", "string", "zh or en"),
    _C("policy_version", "string", "the rules that doubted it; an accept holds under these alone"),
)

REVIEW_QUEUE = Table(
    "review_queue",
    (
        *_OF_A_SKELETON,
        _C("scenario", "string", "which surface"),
        _C("skeleton", "string", "the text with its marks unfilled"),
        _C("text", "string", "an example; what a user's own behaviour would fill in stands as its mark"),
        _C("frames", "array<string>", "what prompts showed, JSON, most pairs first; each without behaviour or shared"),
        _C("doubts", _DOUBTS, "why it waits; start and end are of the example, mark and at of the skeleton"),
        _C("pairs", "bigint", "pairs that it would have served on that night"),
        _C("run_id", "string", "the run that queued it"),
        _C("night", "date", "its night"),
        _C("queued_at", "timestamp", "UTC"),
    ),
    key=("skeleton_hash", "locale", "policy_version"),
)

DECISIONS = ("accept", "refuse", "edit", "label")

REVIEW_DECISIONS = Table(
    "review_decisions",
    (
        *_OF_A_SKELETON,
        _C("decision", "string", f"one of {', '.join(DECISIONS)}"),
        _C("doubts", _DOUBTS, "those that were shown: an accept lifts no other"),
        _C("frames", "array<string>", "those that were shown: a doubt about evidence is lifted for no other"),
        _C("edited", "string", "a better skeleton, for training; null: none was written"),
        _C("label", "string", "what kind of error it is, or none; null: not said"),
        _C("note", "string", "the reviewer's words; null: none"),
        _C("reviewer", "string", "who decided"),
        _C("decided_at", "timestamp", "UTC; the latest of a reviewer counts, among reviewers the strictest"),
    ),
)


REVIEWS = {table.name: table for table in (REVIEW_QUEUE, REVIEW_DECISIONS)}
"""Made by the first night that has something to ask."""

PROMOTIONS = Table(
    "promotions",
    (
        _C("at", "timestamp", "UTC; when it was decided"),
        _C("action", "string", "promoted, refused or rolled_back"),
        _C("folder", "string", "the model's, below the registry"),
        _C("model_version", "string", "digest of weights, tokenizer and template"),
        _C("before", "string", "the folder that was current; null: none"),
        _C("reasons", "array<string>", "why it was refused, as wanted and found; empty: it was not"),
    ),
)

EXAMPLES = Table(
    "examples",
    (
        _C("user_id", "string", "for whom; null: for anybody"),
        _C("item_id", "string", "about what"),
        _C("split", "string", "train, validation or test"),
        _C("locale", "string", "zh or en"),
        _C("template", "string", "key of the prompt template that the target is written for"),
        _C("prompt_hash", "string", "sha-256 of template and frame"),
        _C("frame", "string", "what the prompt shows, canonical JSON"),
        _C("literals", "string", "what it hides, JSON"),
        _C("reason", "string", "as it was labelled"),
        _C("target", "string", "what is to be learnt, with marks where the template has them; null: nothing is borne"),
        _C("marks", "int", "literals of the reason that became marks"),
        _C("claims", "int", "content words and literals of the reason"),
        _C("borne", "int", "of these, those that the frame bears"),
    ),
    people=True,
    statistics=("split", "locale"),
    checks=(("split_known", "split in ('train', 'validation', 'test')"),),
)
