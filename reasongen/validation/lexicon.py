"""One language's licences, compiled once per process: what is neutral, what licenses what, how it denies and counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import ahocorasick

from reasongen.validation.licences import Licences, one_of
from reasongen.validation.normal import normalise
from reasongen.validation.quantities import Reader, reader_of
from reasongen.validation.words import Negation, Word, keys_of, negation_of, words_of

_CAPITAL = re.compile(r"(?<![\w'’])[A-Z][\w&'’]{0,30}")
NAME = re.compile(r"(?<![\w'’])[A-Z][\w&]{1,30}")
_HEAD_END = re.compile(r",| (?:with|for|in|from|by|on|and|to|at)(?= )|\(|\|| - ")
_APART = re.compile(r"[\s|/·()（）【】\[\]—–-]+")
_HAN_TAIL = re.compile("[\u3007\u3400-\u9fff]{2,12}")
NO_VALUES = (" no", " none", " not included", "无", "否", "不支持", "不含", "没有", " n/a")


@dataclass(frozen=True, eq=False)
class Lexicon:
    """`neutral`: words that claim nothing (English lemmas and forms too), `grammar`: those that only join.

    `pieces`: the neutral ones of Chinese, to be searched; `rows`: what a term licenses, `groups`:
    of that, what means the same; `denying`: terms that deny.
    """

    locale: str
    neutral: frozenset[str]
    grammar: frozenset[str]
    capital_words: frozenset[str]
    names: re.Pattern[str]
    guarded: re.Pattern[str]
    pieces: ahocorasick.Automaton | None
    terms: ahocorasick.Automaton
    rows: dict[str, tuple[str, ...]]
    groups: dict[str, tuple[str, ...]]
    negation: Negation
    denying: frozenset[str]
    reader: Reader
    no_values: tuple[str, ...] = NO_VALUES

    def licensed_by(self, term: str) -> Sequence[str]:
        """What a term in the evidence licenses; itself where it is a member of a group."""
        return self.rows.get(term, ())

    def meant_by(self, term: str) -> Sequence[str]:
        """What a term means, and denies where it is denied: what it implies may hold all the same."""
        return self.groups.get(term, ())

    def terms_in(self, plain: str) -> Iterator[tuple[str, int]]:
        """Synonyms and implications that stand in a text: (term, first character)."""
        for term, start, _ in self.term_spans(plain, None):
            yield term, start

    def term_spans(self, plain: str, words: Sequence[Word] | None) -> Iterator[tuple[str, int, int]]:
        """The same with the end; English terms are matched by lemma, as whole words."""
        if self.locale == "zh":
            for last, term in self.terms.iter(plain):
                yield term, last + 1 - len(term), last + 1
            return
        words = words_of(plain) if words is None else words
        joined, starts, ends, at = [" "], {}, {}, 1
        for word in words:
            starts[at] = word.start
            joined += [word.lemma, " "]
            at += len(word.lemma) + 1
            ends[at - 1] = word.end
        text = "".join(joined)
        for last, term in self.terms.iter(text):
            yield term[1:-1], starts[last + 2 - len(term)], ends[last]

    def head(self, title: str) -> frozenset[str]:
        """The noun that a title, as written, is about: keys of its last word before "with …", or its last Chinese
        characters, of the longest run that no gap parts."""
        if self.locale == "zh":
            runs = [run for part in _APART.split(title) for run in _HAN_TAIL.findall(normalise(part).plain)]
            longest = max(runs, key=len, default="")
            return frozenset({longest[-2:], longest} - {""})
        words = words_of(_HEAD_END.split(normalise(title).plain)[0])
        return frozenset(words[-1].keys) if words else frozenset()

    def capitals(self, written: str) -> Iterator[str]:
        """Capitalised words, in lower case: names that a text may write."""
        for match in _CAPITAL.finditer(written):
            yield match.group().lower().removesuffix("'s").removesuffix("’s")


def compile_lexicon(licences: Licences) -> Lexicon:
    """Everything of one language, ready to read with."""
    words = licences.words
    neutral = frozenset(_split(words.grammar) + _split(words.neutral))
    zh = licences.locale == "zh"
    rows: dict[str, list[str]] = {}
    for group in licences.synonyms.groups:
        members = [_term(one, zh) for one in group.split("|")]
        for member in members:
            rows.setdefault(member, []).extend(members)
    groups = {term: tuple(dict.fromkeys(row)) for term, row in rows.items()}
    for premises, conclusions in licences.synonyms.implied.items():
        for premise in premises.split("|"):
            rows.setdefault(_term(premise, zh), []).extend(_term(one, zh) for one in conclusions.split("|"))
    every = set(rows) | {term for row in rows.values() for term in row}
    terms = ahocorasick.Automaton()
    for term in every:
        if zh:
            terms.add_word(term, term)
        else:
            terms.add_word(f" {term} ", f" {term} ")
    terms.make_automaton()
    return Lexicon(
        licences.locale,
        neutral if zh else frozenset(neutral | {keys_of(word)[0] for word in neutral}),
        frozenset(_split(words.grammar)),
        frozenset(_split(words.capitals)),
        one_of(tuple(re.escape(name) for name in _split(words.names)), licences.locale),
        one_of(tuple(re.escape(word) for word in _split(words.guarded)), licences.locale),
        _searchable(neutral) if zh else None,
        terms,
        {term: tuple(dict.fromkeys(row)) for term, row in rows.items()},
        groups,
        negation_of(licences),
        frozenset(term for term in every if _denies(negation_of(licences), term)),
        reader_of(licences.locale, licences),
    )


def _denies(negation: Negation, term: str) -> bool:
    """Whether a term holds its own negation (没有香味): who writes it asserts what it says."""
    return bool(negation.marks.match(term) or negation.after.fullmatch(term))


def _split(text: str) -> list[str]:
    return text.split()


def _searchable(neutral: frozenset[str]) -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    for word in neutral:
        automaton.add_word(word, len(word))
    automaton.make_automaton()
    return automaton


@lru_cache(maxsize=1 << 14)
def _term(term: str, zh: bool) -> str:
    plain = normalise(term.strip()).plain
    return plain if zh else " ".join(word.lemma for word in words_of(plain))
