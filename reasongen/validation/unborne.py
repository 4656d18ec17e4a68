"""What no evidence of a shop bears: a question for a person, unless the item says it word for word."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from reasongen.validation.gate import Finding
from reasongen.validation.reading import Case, finding
from reasongen.validation.words import clauses, words_of

_ALL = re.compile("(?:every|any|all|each|both|no)(?: the| of the)? (?P<noun>[a-z'-]{2,14})")
_EACH = re.compile("(?<![a-z])(?:every|all|each|both|any|no|not|without|only)(?![a-z])")


def unborne(case: Case, patterns: Mapping[str, re.Pattern[str]], possible: Collection[str]) -> Iterator[Finding]:
    """What is said of every thing or of nobody in particular, a measure without a number, an answer to a question,
    where the user is: what no evidence of a shop bears, unless the item's own words have it."""
    for rule, pattern in patterns.items():
        for match in pattern.finditer(case.text.plain) if f"unborne {rule}" in possible else ():
            if rule == "same" and any(start < match.end() <= end for start, end in case.filled):
                continue  # the same [e1.name]: a renderer fills it from an attribute that both have
            if rule == "general" and _all_told(case, match.group()):
                continue
            if not any(match.group() in text for text in case.grounds.own.texts):
                yield finding(rule, "human", *match.span(), "wanted evidence that has it word for word")


def _all_told(case: Case, said: str) -> bool:
    """Whether the item's texts tell something of all or none of the same: "every bed is" where "all beds are"."""
    match = _ALL.match(said)
    if match is None:
        return False
    keys = {key for word in words_of(match.group("noun")) for key in word.keys}
    parts = (
        text[start:end]
        for text in case.grounds.own.texts
        for start, end in clauses(text)
        if _EACH.search(text[start:end])
    )
    return any(not keys.isdisjoint(key for word in words_of(part) for key in word.keys) for part in parts)
