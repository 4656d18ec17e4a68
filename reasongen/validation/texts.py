"""The verdict on one text with its evidence: the rule gate, then its claims. What a line of JSON gives, a line gets.

Pure and without state: `TextJudge` is made once per process and judges any number of records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from reasongen.schema import LOCALES
from reasongen.validation.claims import Claim, ClaimJudge, claim_judge
from reasongen.validation.gate import Compiled, Finding, compile_policy
from reasongen.validation.licences import load_licences
from reasongen.validation.opinion import load_opinion
from reasongen.validation.private import Private, load_private
from reasongen.validation.record import Record
from reasongen.validation.rules import load_policy

Outcome = Literal["pass", "review", "refuse"]


@dataclass(frozen=True, slots=True)
class TextVerdict:
    """`refuse` where a finding blocks or asks for another wording, `review` where one asks for a person."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    claims: tuple[Claim, ...]

    def as_json(self) -> dict[str, Any]:
        """The line that `jobs/check_texts.py` writes."""
        return {
            "verdict": self.outcome,
            "rules": [{"id": one.rule, "span": [one.start, one.end], "detail": one.detail} for one in self.findings],
            "claims": [{"span": [one.start, one.end], "evidence": one.evidence} for one in self.claims],
        }


@dataclass(frozen=True)
class TextJudge:
    """Rules and claims of every language; `private`: what of the evidence nobody should be told."""

    gates: dict[str, Compiled]
    claims: dict[str, ClaimJudge]
    private: Private | None = None

    def check(self, record: Record, *, rules_only: bool = False, bound: Sequence[Claim] = ()) -> TextVerdict:
        """The verdict on a record's text. `rules_only` asks the rule gate alone. A check that breaks refuses.

        `bound`: spans that a renderer filled from evidence; rules read them too, claim checks take them as true.
        """
        findings = self.gates[record.locale].check(record.text, record.facts())
        claims: list[Claim] = []
        if not rules_only:
            record = self.private.without(record) if self.private else record
            try:
                more, claims = self.claims[record.locale].judge(record, bound=bound)
            except Exception as error:
                more = [Finding("R18_broke", 1, "block", 0, len(record.text), type(error).__name__)]
            findings = [*findings, *more]
        return TextVerdict(outcome_of(findings), tuple(findings), tuple(claims))

    def check_line(self, line: str | bytes, *, rules_only: bool = False) -> dict[str, Any]:
        """What one line of JSON gets: its verdict, or {"error": …} where it is no record."""
        try:
            record = Record.model_validate(json.loads(line), strict=False)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, one['loc'])) or 'line'}: {one['msg']}" for one in error.errors())
            return {"error": "; ".join(faults)}
        except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, nested too deeply
            return {"error": f"wanted a JSON object; found {type(error).__name__}"}
        return self.check(record, rules_only=rules_only).as_json()


def outcome_of(findings: Iterable[Finding]) -> Outcome:
    """The gravest action decides; a label stops nothing."""
    actions = {one.action for one in findings}
    return "refuse" if actions & {"block", "rewrite"} else "review" if "human" in actions else "pass"


def load_text_judge(conf: str | Path, *, opinion: bool = True) -> TextJudge:
    """Policies, licences, private words and, with `opinion`, the second opinion below a folder conf/.

    Raises ConfigError that names every fault.
    """
    policy = load_policy(Path(conf) / "policies")
    claims = {locale: claim_judge(load_licences(Path(conf) / "licences", locale)) for locale in LOCALES}
    if opinion:
        second = load_opinion(Path(conf) / "opinion" / "weights.json")
        claims = {locale: replace(one, opinion=second.get(locale)) for locale, one in claims.items()}
    private = load_private(Path(conf) / "privacy", LOCALES)
    return TextJudge({locale: compile_policy(policy, locale) for locale in LOCALES}, claims, private)
