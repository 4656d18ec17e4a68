"""Judges a reason with marks against its frame: are the marks right, the verbs fitting, all words licensed?

Knows only the grammar of the corpus. It says yes or names every fault; it does not rate style.
  mark       a mark that the frame does not allow, or something that only looks like one
  evidence   the frame has evidence and the reason cites none of it
  verb       a verb of another action than that of the row it stands beside
  word       text that no sentence of the grammar licenses for this frame (a foreign word, another word's paraphrase)
`derivable` is stricter: whether the whole text is a sentence of the grammar for this frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reasongen.evaluation.grammar import Grammar, Production, Rows, assignments, bound, usable
from reasongen.prompts.frame import MARK, Frame

_MARKLIKE = re.compile(r"\[[^\]]*\]?|\]")
_OBJECT = {"zh": re.compile(r"[^，。；：、]"), "en": re.compile(r" \[")}
_TOKEN = re.compile(r"[^\s,.;:]+|[,.;:]")
_MAX_CHARS = 400  # longer text is not a reason


@dataclass(frozen=True)
class Fault:
    """One thing wrong: mark, evidence, verb or word, and where."""

    code: str
    detail: str


def judge(grammar: Grammar, frame: Frame, text: str) -> tuple[Fault, ...]:
    """Every fault of the text; none means right."""
    text = _lowered(text)
    faults = [*_mark_faults(frame, text)]
    if frame.evidence and not any(match.group(1) != "i" for match in MARK.finditer(text)):
        faults.append(Fault("evidence", "no row of evidence is cited"))
    faults += _verb_faults(grammar, frame, text)
    faults += _word_faults(grammar, frame, text)
    return tuple(faults)


def derivable(grammar: Grammar, frame: Frame, text: str) -> bool:
    """Whether the grammar can write exactly this text for this frame."""
    facts = grammar.facts(frame)
    text = _lowered(text)
    for rows in assignments(frame):
        reader = _Reader(grammar, frame, facts, rows, text)
        tops = (top for top in grammar.slots["reason"] if top.holds(facts, 0) and usable(top, rows))
        if any(len(text) in reader.ends(top, 0, 0) for top in tops):
            return True
    return False


def _lowered(text: str) -> str:
    """The text as the grammar writes it, before its sentence got a capital."""
    return text[:1].lower() + text[1:]


def _mark_faults(frame: Frame, text: str) -> Iterator[Fault]:
    for match in MARK.finditer(text):
        if match.group(0) not in frame.marks:
            yield Fault("mark", match.group(0))
    for match in _MARKLIKE.finditer(MARK.sub("", text)):
        yield Fault("mark", match.group(0))
    if not MARK.search(text):
        yield Fault("mark", "no mark")


def _verb_faults(grammar: Grammar, frame: Frame, text: str) -> Iterator[Fault]:
    """A verb with an object after it belongs to the next evidence mark, any other to the last one before it; where none
    stands before it ("among the things you bought were [e1.items]"), to the next one too."""
    acts = {f"e{number}": row.act for number, row in enumerate(frame.evidence, start=1)}
    marks = [(match.start(), acts[match.group(1)]) for match in MARK.finditer(text) if match.group(1) in acts]
    for start, end, meant in _verbs(grammar, text):
        after = [act for at, act in marks if at >= end][:1]
        before = [act for at, act in marks if at < start][-1:]
        object_follows = _OBJECT[grammar.language].match(text, end) is not None
        if not meant.intersection(after if object_follows or not before else before):
            yield Fault("verb", text[start:end])


def _verbs(grammar: Grammar, text: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Where verbs of any action stand, the longest first, and the actions that each can mean."""
    known: dict[str, set[str]] = {}
    for table in (grammar.verbs, grammar.cues):
        for act, verbs in table.items():
            for verb in verbs:
                known.setdefault(verb, set()).add(act)
    edge = r"\b" if grammar.language == "en" else ""
    longest = "|".join(re.escape(verb) for verb in sorted(known, key=len, reverse=True))
    for match in re.finditer(f"{edge}(?:{longest}){edge}", text):
        yield match.start(), match.end(), frozenset(known[match.group()])


def _word_faults(grammar: Grammar, frame: Frame, text: str) -> Iterator[Fault]:
    """Every run of text must be a chain of phrases that the grammar can put into a reason for this frame.

    English may also recombine the single words of its sentences, never those of verbs and paraphrases.
    """
    if len(text) > _MAX_CHARS:
        yield Fault("word", "too long")
        return
    english = grammar.language == "en"
    sentences, phrases = _fragments(grammar, frame)
    loose = grammar.neutral.split() if english else list(grammar.neutral)
    loose += [word for fragment in sentences for word in _TOKEN.findall(fragment)] if english else []
    pieces = {tuple(_tokens(text, english)) for text in (*sentences, *phrases, *loose)}
    for run in _plain(text):
        if left := _uncovered(_tokens(run, english), pieces):
            yield Fault("word", (" " if english else "").join(left))


def _tokens(text: str, english: bool) -> list[str]:
    return _TOKEN.findall(text) if english else list(text)


def _uncovered(run: list[str], pieces: set[tuple[str, ...]]) -> list[str]:
    """The tail of the run that no chain of pieces reaches, or nothing."""
    reached = {0}
    for at in range(len(run)):
        if at in reached:
            reached |= {at + len(piece) for piece in pieces if tuple(run[at : at + len(piece)]) == piece}
    return [] if len(run) in reached else run[max(reached) :]


def _fragments(grammar: Grammar, frame: Frame) -> tuple[set[str], set[str]]:
    """What some reason for this frame may hold: pieces of its sentences without marks; verbs and paraphrases."""
    facts = grammar.facts(frame)
    numbers = range(len(frame.evidence) + 1)
    sentences: set[str] = set()
    for production in (one for lines in grammar.slots.values() for one in lines):
        if any(production.holds(facts, row) for row in numbers):
            texts = [piece.replace("@", "1") for piece in production.pieces if isinstance(piece, str)]
            sentences |= {part for text in texts for part in _plain(text) if part}
    words = [*frame.words, *(row.word for row in frame.evidence if row.facet == "tag")]
    phrases = {verb for row in frame.evidence for verb in grammar.verbs[row.act]}
    return sentences, phrases | {text for word in words for text in grammar.paraphrases.get(word, ())}


def _plain(text: str) -> list[str]:
    return MARK.sub("\0", text).split("\0")


class _Reader:
    """Where a production can end, if it begins at a place of the text; remembers what it has found."""

    def __init__(self, grammar: Grammar, frame: Frame, facts: frozenset[str], rows: Rows, text: str) -> None:
        self.grammar, self.frame, self.facts, self.rows, self.text = grammar, frame, facts, rows, text
        self.known: dict[tuple[str, int, int], frozenset[int]] = {}

    def ends(self, production: Production, row: int, start: int) -> frozenset[int]:
        key = (production.id, row, start)
        if key not in self.known:
            self.known[key] = self._read(production, row, start)
        return self.known[key]

    def _read(self, production: Production, row: int, start: int) -> frozenset[int]:
        places = {start}
        for piece in production.pieces:
            reached: set[int] = set()
            if isinstance(piece, str):
                wanted = piece.replace("@", str(row)) if row else piece
                reached = {at + len(wanted) for at in places if self.text.startswith(wanted, at)}
            else:
                argument, inner = bound(piece, row, self.rows)
                for choice in self.grammar.choices(piece[0], argument, self.frame, self.facts):
                    reached |= {end for at in places for end in self.ends(choice, inner, at)}
            places = reached
            if not places:
                break
        return frozenset(places)
