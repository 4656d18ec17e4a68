"""What is told of runs: one row for each, and one for each expectation that a night had to meet."""

from __future__ import annotations

from reasongen.schema.table import Column, Table

_C = Column

_COUNTS = "map<string,bigint>"

RUNS = Table(
    "runs",
    (
        _C("run_id", "string", "night, scenario and token"),
        _C("night", "date", "the night"),
        _C("scenario", "string", "which surface"),
        _C("token", "bigint", "fencing token: a later attempt takes a higher one"),
        _C("status", "string", "started, published, unchanged, refused, rolled_back (to what `night` had left)"),
        _C("started_at", "timestamp", "UTC"),
        _C("ended_at", "timestamp", "UTC; null: still running, or died"),
        _C("inputs", "map<string,string>", "table to Delta version, or to format and digest of its files"),
        _C("config_digest", "string", "of settings, template, decoding, policy and renderer"),
        _C("code_version", "string", "version of the package and digest of its sources"),
        _C("model_version", "string", "digest"),
        _C("pairs", _COUNTS, "candidates, published, fallback, kept, re_rendered, put_back, removed, quarantined …"),
        _C("codes", _COUNTS, "table.code to rows"),
        _C("prompts", _COUNTS, "distinct, reused, generated"),
        _C("samples", "bigint", "written by this run"),
        _C("tokens_in", "bigint", "by this run"),
        _C("tokens_out", "bigint", "by this run"),
        _C("seconds", "map<string,double>", "wall seconds by stage"),
        _C("model_loads", "bigint", "by this run, from the rows that each load wrote"),
        _C("executors", "bigint", "that could have generated"),
        _C("device", "string", "cpu, cuda, or scripted"),
        _C("gate", "string", "JSON: each expectation, what it wanted and saw, and its verdict"),
        _C("delta_version", "bigint", "of reasons after the publish; null: none was made"),
        _C("policy_version", "string", "what judged its texts; null: of a run before this column"),
        _C("renderer_version", "string", "what filled the marks; null: of a run before this column"),
        _C("kind", "string", "night, rollback, or stream (the pairs of some users, between nights); null: no stream"),
    ),
    key=("run_id",),
    statistics=("run_id", "night", "scenario", "token", "status"),
)

QUALITY = Table(
    "quality",
    (
        _C("run_id", "string", "the run that was judged"),
        _C("night", "date", "its night"),
        _C("scenario", "string", "which surface"),
        _C("suite", "string", "inputs, staged or published"),
        _C("name", "string", "of the expectation, in conf/quality"),
        _C("severity", "string", "block or warn"),
        _C("wanted", "string", "bounds, in words; where it was unjudged: what was wanted to judge it"),
        _C("found", "double", "an aggregate; for shares: how far they moved, 0 to 1; null: nothing was there"),
        _C("verdict", "string", "held, warned, refused, or unjudged"),
        _C("look", "string", "SQL for rows behind it; of a published night they stay until the next one"),
        _C("parts", "map<string,double>", "share of each value (locale, rule); null: it is about a number"),
        _C("usable", "boolean", "large and whole enough for later nights to be compared with it"),
    ),
    key=("run_id", "name"),
    statistics=("run_id", "night", "scenario", "name", "verdict"),
)
