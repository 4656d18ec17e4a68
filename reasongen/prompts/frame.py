"""What the prompt of a pair shows (the frame) and what it hides (the literals), and which marks a frame allows.

A frame is canonical: equal evidence gives equal JSON, so equal prompts. It holds no id, no count and no date. Knows no
wording: `template` makes the prompt from it, `render` fills the marks of the text that comes back.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

from pydantic_core import from_json

FACETS = ("category", "brand", "tag", "attribute")
ACTS = ("browse", "click", "comment", "share", "cart", "purchase")
SIZES = ("one", "few", "many")
_WORDED = FACETS[2:]
NOUN_CLASSES = ("wear", "eat", "drink", "read", "use", "play", "place", "thing")
MAX_EVIDENCE = 4

ITEM_FORMS = ("title", "brand", "noun", "a", "this", "plural", "word1", "word2", "attr", "name")
EVIDENCE_FORMS = ("items", "count", "title", "word", "value", "name", "when")

# Group 1 is the source (i, e1 … e4), group 2 the form.
MARK = re.compile(
    rf"\[(i(?=\.(?:{'|'.join(ITEM_FORMS)})\])|e[1-4](?=\.(?:{'|'.join(EVIDENCE_FORMS)})\]))\.([a-z0-9]+)\]"
)


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One visible fact on the user's side: facet, its word (tag, attribute's name or ""), act, class of number."""

    facet: str
    word: str
    act: str
    size: str

    @property
    def shown(self) -> dict[str, str]:
        """The row as the template and the JSON see it: f, w (only where there is one), a, n."""
        word = {"w": self.word} if self.word else {}
        return {"f": self.facet, **word, "a": self.act, "n": self.size}


@dataclass(frozen=True, slots=True)
class EvidenceLiterals:
    """The hidden values of one evidence row: distinct items, newest of them, its attribute's value, its noun."""

    count: int = 1
    title: str = ""
    value: str = ""
    noun: str = ""
    recent: bool = False


@dataclass(frozen=True, slots=True)
class Literals:
    """The hidden values of one pair. Missing ones are "": their marks cannot be filled."""

    title: str = ""
    brand: str = ""
    attr: str = ""
    evidence: tuple[EvidenceLiterals, ...] = ()

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Literals:
        """From keys title, brand, attr, e; an absent key and null mean the same."""
        rows = tuple(
            EvidenceLiterals(
                row.get("count") or 1,
                row.get("title") or "",
                row.get("value") or "",
                row.get("noun") or "",
                bool(row.get("recent")),
            )
            for row in raw.get("e") or ()
        )
        return cls(raw.get("title") or "", raw.get("brand") or "", raw.get("attr") or "", rows)

    @classmethod
    def from_json(cls, text: str) -> Literals:
        """From the JSON that the evidence stage writes. Raises ValueError."""
        return cls.from_dict(from_json(text))

    @property
    def shown(self) -> dict[str, Any]:
        """What a literal template may see: everything but the calendar's part."""
        rows = [_filled({"count": row.count, "title": row.title, "value": row.value}) for row in self.evidence]
        return {**_filled({"title": self.title, "brand": self.brand, "attr": self.attr}), "e": rows}


@dataclass(frozen=True, slots=True)
class Frame:
    """The visible facts of a pair: locale, scenario, category noun and its class, the item's words, attribute name,
    whether it has a brand, evidence rows; `literals` only where the template shows literals."""

    locale: str
    scenario: str
    noun: str
    noun_class: str = "thing"
    words: tuple[str, ...] = ()
    attribute: str = ""
    brand: bool = False
    evidence: tuple[EvidenceRow, ...] = ()
    literals: Literals | None = None
    marks: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        facets = tuple(row.facet for row in self.evidence)
        object.__setattr__(self, "marks", _marks(len(self.words), bool(self.attribute), self.brand, facets))

    @staticmethod
    def from_json(text: str) -> Frame:
        """From canonical JSON. Raises ValueError for what no evidence stage writes. Equal texts give one object."""
        return _frame_of(text)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Frame:
        """From the keys l, s, c, k, w, a, b, e, v. Raises ValueError."""
        rows = tuple(EvidenceRow(r["f"], r.get("w") or "", r["a"], r["n"]) for r in raw.get("e") or ())
        shown = raw.get("v")
        frame = cls(
            raw["l"],
            raw["s"],
            raw["c"],
            raw.get("k") or "thing",
            tuple(raw.get("w") or ()),
            raw.get("a") or "",
            bool(raw.get("b")),
            rows,
            None if shown is None else Literals.from_dict(shown),
        )
        _check(frame)
        return frame

    @property
    def shown(self) -> dict[str, Any]:
        """The frame as the JSON has it, empties omitted but for `e`."""
        head = {"l": self.locale, "s": self.scenario, "c": self.noun, "k": self.noun_class}
        middle = {"w": list(self.words), "a": self.attribute, "b": self.brand}
        tail = {} if self.literals is None else {"v": self.literals.shown}
        return {**head, **_filled(middle), "e": [row.shown for row in self.evidence], **tail}

    def to_json(self) -> str:
        """Canonical JSON: fixed key order, no spaces, no escapes beyond JSON's own."""
        return json.dumps(self.shown, ensure_ascii=False, separators=(",", ":"))


def allowed_marks(frame: Frame) -> frozenset[str]:
    """Every mark that a text made from this frame may hold, with its brackets: "[i.title]", "[e1.items]"."""
    return frame.marks


@lru_cache(maxsize=4096)
def _marks(words: int, attribute: bool, brand: bool, facets: tuple[str, ...]) -> frozenset[str]:
    forms = ["title", "noun", "a", "this", "plural", *[f"word{n + 1}" for n in range(min(words, 2))]]
    forms += ["attr", "name"] if attribute else []
    forms += ["brand"] if brand else []
    found = [f"[i.{form}]" for form in forms]
    for number, facet in enumerate(facets, start=1):
        own = {"tag": ("word",), "attribute": ("value", "name")}.get(facet, ())
        found += [f"[e{number}.{form}]" for form in ("items", "count", "title", "when", *own)]
    return frozenset(found)


@lru_cache(maxsize=1 << 15)
def _frame_of(text: str) -> Frame:
    try:
        return Frame.from_dict(from_json(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"frame: wanted keys l, s, c, k, e; found another shape ({type(error).__name__})") from error


def _check(frame: Frame) -> None:
    """The message names the rule, never the value: values come from tables. Asked once per distinct prompt."""
    if not _sound(frame):
        _complain(frame)


def _sound(frame: Frame) -> bool:
    if len(frame.words) > 2 or frame.noun_class not in NOUN_CLASSES or len(frame.evidence) > MAX_EVIDENCE:
        return False
    for text in (frame.locale, frame.scenario, frame.noun, frame.attribute, *frame.words):
        if type(text) is not str:
            return False
    for row in frame.evidence:
        if row.facet not in FACETS or row.act not in ACTS or row.size not in SIZES or type(row.word) is not str:
            return False
        if (row.word != "") != (row.facet in _WORDED):
            return False
    return frame.noun != ""


def _complain(frame: Frame) -> NoReturn:
    rows = frame.evidence
    texts = (frame.locale, frame.scenario, frame.noun, frame.attribute, *frame.words, *(row.word for row in rows))
    faults = {
        "texts are strings": all(isinstance(text, str) for text in texts) and bool(frame.noun),
        "at most 2 words": len(frame.words) <= 2,
        f"k is one of {NOUN_CLASSES}": frame.noun_class in NOUN_CLASSES,
        f"at most {MAX_EVIDENCE} evidence rows": len(rows) <= MAX_EVIDENCE,
        f"f is one of {FACETS}": all(row.facet in FACETS for row in rows),
        f"a is one of {ACTS}": all(row.act in ACTS for row in rows),
        f"n is one of {SIZES}": all(row.size in SIZES for row in rows),
        "tag and attribute rows have a word": all(bool(row.word) == (row.facet in _WORDED) for row in rows),
    }
    broken = [rule for rule, holds in faults.items() if not holds]
    raise ValueError(f"frame: wanted {'; '.join(broken) or 'words that are strings'}; found otherwise")


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in ("", None, False, [])}
