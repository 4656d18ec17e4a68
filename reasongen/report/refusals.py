"""What a page tells of refused texts: by rule, with findings and examples; and the items where it happened most.

An example is the model's own words, names as marks, from a prompt that `k` users share. Wants the views
`quarantine`, `reasons`, `generations` and `items`.
"""

from __future__ import annotations

from typing import Any

from reasongen.report.lake import Lake

EXAMPLES, FINDINGS, ITEMS = 2, 3, 8
_FAILED = """
CREATE OR REPLACE TEMP TABLE failed AS
SELECT user_id, item_id, scenario, sample, f.rule,
  left(CASE WHEN f."end" > f.start THEN substr(text, f.start + 1, f."end" - f.start) ELSE f.detail END, 60) AS words
FROM (SELECT *, unnest(failures) AS f FROM quarantine WHERE run_id = $run)
"""


def refusals(lake: Lake, run_id: str, k: int) -> dict[str, Any]:
    """`texts` (refused), `rules`: a row for each rule (rule, texts, findings, examples), `items` (item_id, title, n).

    A finding is the words at which the rule stopped, as `k` users would have read them, and how often.
    """
    lake.rows(_FAILED, run=run_id)
    text = "(user_id, item_id, coalesce(sample, -1))"
    rules = lake.rows(
        f"SELECT rule, count(DISTINCT {text}) AS texts FROM failed GROUP BY rule ORDER BY texts DESC, rule"
    )
    found = lake.rows(
        f"""SELECT rule, words, count(*) AS n FROM failed GROUP BY rule, words
        HAVING count(DISTINCT user_id) >= {k}
        QUALIFY row_number() OVER (PARTITION BY rule ORDER BY n DESC, words) <= {FINDINGS} ORDER BY rule, n DESC"""
    )
    shown = _examples(lake, k)
    items = lake.rows(
        f"""SELECT f.item_id, any_value(i.title) AS title, count(DISTINCT {text.replace("item_id", "f.item_id")}) AS n
        FROM failed f LEFT JOIN items i ON i.item_id = f.item_id GROUP BY f.item_id
        HAVING count(DISTINCT user_id) >= {k} ORDER BY n DESC, f.item_id LIMIT {ITEMS}"""
    )
    for row in rules:
        row["findings"] = [(one["words"], one["n"]) for one in found if one["rule"] == row["rule"]]
        row["examples"] = [(one["locale"], one["text"]) for one in shown if one["rule"] == row["rule"]]
    return {
        "texts": lake.one(f"SELECT count(DISTINCT {text}) AS n FROM failed")["n"],
        "rules": rules,
        "items": items,
    }


def _examples(lake: Lake, k: int) -> list[dict[str, Any]]:
    """rule, locale, text: the sample as the model wrote it."""
    return lake.rows(
        f"""
        WITH shared AS (
          SELECT prompt_hash FROM reasons GROUP BY prompt_hash
          HAVING count(DISTINCT user_id) >= {k} OR max(len(evidence)) = 0),
        wrote AS (
          SELECT DISTINCT f.rule, r.locale, g.text
          FROM failed f JOIN reasons r USING (user_id, item_id, scenario) SEMI JOIN shared USING (prompt_hash)
          JOIN generations g ON g.prompt_hash = r.prompt_hash AND g.model_version = r.model_version
            AND g.decode_hash = r.decode_hash AND g.sample = f.sample AND g.owner IS NULL)
        SELECT * FROM wrote
        QUALIFY row_number() OVER (PARTITION BY rule ORDER BY md5(text)) <= {EXAMPLES} ORDER BY rule, md5(text)
        """
    )
