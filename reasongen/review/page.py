"""The queue as HTML, in the reader's language. Everything from tables and from reviewers is escaped.

What a user's own acts would fill into a text is not known here; its place says what kind of thing stands there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reasongen.prompts.frame import MARK, Frame
from reasongen.review.agreement import agreement
from reasongen.review.decisions import LABELS, Decision, Waiting, current, latest
from reasongen.review.session import Session

LANGUAGES = ("en", "zh")
VIEWS = ("open", "second", "mine")
PER_PAGE = 20
_FILES = Path(__file__).parent / "templates"


class Part(NamedTuple):
    """A piece of an example. `doubted`: some doubt is about it; `own`: the form of a mark that a user's acts fill."""

    text: str
    doubted: bool = False
    own: str = ""


@dataclass(frozen=True)
class Card:
    """One skeleton to decide on. `others`: those who judged it, with their words once she has hers; `mine`: hers."""

    id: str
    row: Waiting
    mine: Decision | None
    others: tuple[tuple[str, str | None], ...]
    labels: tuple[tuple[str, str], ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The example, cut."""
        return parts_of(self.row)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """What prompts showed."""
        return tuple(map(Frame.from_json, self.row.frames))


@dataclass(frozen=True)
class Asked:
    """What a request asks to see. `at`: the id of the card to begin at; `said`: a message's key, with who it names."""

    view: str = "open"
    page: int = 1
    at: str = ""
    said: str = ""
    who: str = ""


def id_of(row: Waiting) -> str:
    """Names the row in a page and in an address."""
    return hashlib.sha256("\n".join(row.key).encode()).hexdigest()[:32]


def cards(rows: Sequence[Waiting], decisions: Sequence[Decision], reviewer: str) -> dict[str, list[Card]]:
    """By view: open (nobody judged it), second (others did), mine (she did)."""
    judged = latest(decisions)
    labelled: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for one in decisions:
        if one.label:
            labelled.setdefault(one.key, []).append((one.reviewer, one.label))
    found: dict[str, list[Card]] = {view: [] for view in VIEWS}
    for row in current(rows):
        said = judged.get((row.locale, row.skeleton_hash), {})
        by = {who: one for who, one in said.items() if one.policy_version == row.policy_version}
        mine = by.get(reviewer)
        others = tuple((who, one.decision if mine else None) for who, one in sorted(by.items()) if who != reviewer)
        card = Card(id_of(row), row, mine, others, tuple(labelled.get(row.key, ())))
        found["mine" if mine else "second" if others else "open"].append(card)
    return found


def parts_of(row: Waiting) -> tuple[Part, ...]:
    """The example, cut at its doubts and at what users' acts fill in."""
    marks = [found for found in MARK.finditer(row.text) if found[1] != "i"]
    inside = [(one["start"], one["end"]) for one in row.doubts]
    edges = {0, len(row.text), *(at for span in inside for at in span), *(at for one in marks for at in one.span())}
    own = {one.span(): one[2] for one in marks}
    cuts = sorted(at for at in edges if 0 <= at <= len(row.text))
    return tuple(
        Part(row.text[start:end], any(a <= start and end <= b for a, b in inside), own.get((start, end), ""))
        for start, end in pairwise(cuts)
    )


def render_queue(
    rows: Sequence[Waiting],
    decisions: Sequence[Decision],
    session: Session,
    language: str,
    asked: Asked,
    sources: Mapping[str, str],
) -> str:
    """The page. `sources`: rule → where it comes from."""
    by_view = cards(rows, decisions, session.reviewer)
    mine = by_view[asked.view]
    pages = max(1, -(-len(mine) // PER_PAGE))
    page = min(max(1, asked.page), pages)
    first = (page - 1) * PER_PAGE
    told: str = _template("queue.html.j2").render(
        say=words(language),
        language=language,
        session=session,
        asked=asked,
        counts={view: len(found) for view, found in by_view.items()},
        cards=mine[first : first + PER_PAGE],
        page=page,
        pages=pages,
        labels=LABELS,
        agreement=agreement(decisions),
        sources=sources,
    )
    return told


def render_entrance(language: str, *, token: bool, wrong: bool = False) -> str:
    """Where a reviewer gives her name, and the token where one is wanted."""
    told: str = _template("enter.html.j2").render(say=words(language), language=language, token=token, wrong=wrong)
    return told


def words(language: str) -> Callable[..., str]:
    """Looks up `section.key` and fills it in; a key without words gives itself."""
    at = LANGUAGES.index(language)

    def say(key: str, **given: Any) -> str:
        section, _, name = key.partition(".")
        texts = _texts().get(section, {}).get(name)
        return str(texts[at]).format(**given) if texts else name

    return say


def file_of(name: str) -> bytes:
    """A file that the page asks for, as it stands."""
    return (_FILES / name).read_bytes()


def _template(name: str) -> Any:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FILES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _texts() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = yaml.safe_load((_FILES.parent / "words.yaml").read_text(encoding="utf-8"))
    return found
