"""From labelled words to what a model may learn of them: aligned with the pair's facts, cut down to what these bear.

Pure Arrow in and out (it runs inside an executor), by the renderer and the verdict of the night itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from reasongen.pipeline.judging import Judge
from reasongen.prompts import MARK, Claim, Frame, Literals, Rendered
from reasongen.prompts.aligning import align
from reasongen.validation.cutting import Spans, cut

GIVEN = ("user_id", "item_id", "split", "locale", "template", "prompt_hash", "frame", "literals", "reason")


class Taught(NamedTuple):
    """What one label teaches. `target` None: what it says of the pair is not borne. `claims`, `borne`: of the label."""

    target: str | None
    marks: int
    claims: int
    borne: int


@dataclass(frozen=True)
class Teacher:
    """Reads labels by tonight's verdict. `marks`: the template's texts hold reference marks."""

    judge: Judge
    marks: bool

    def read(self, reason: str, frame: Frame, literals: Literals) -> Taught:
        """What a label teaches about a pair with these facts."""
        text = align(reason, frame, literals, self.judge.renderer) if self.marks else " ".join(reason.split())
        claims, borne = self._borne(text, frame, literals)

        def against(part: str) -> Spans:
            filled = self.judge.renderer.fill(part, frame, literals)
            verdict = self.judge.verdict(filled, part, "stop", frame)
            if verdict.passed:
                return []
            words = self.judge.wordings[frame.locale].failures(frame, part, _as_it_stands(part))
            return [(one.start, one.end) for one in words] or [(0, len(part))]  # the law speaks against the whole

        target = cut(text, frame.locale, against)
        if target and not self._borne(target, frame, literals)[1]:
            target = None  # true of every pair: it would teach to say nothing
        return Taught(target, len(MARK.findall(text)), claims, borne)

    def _borne(self, text: str, frame: Frame, literals: Literals) -> tuple[int, int]:
        filled = self.judge.renderer.fill(text, frame, literals)
        return self.judge.wordings[frame.locale].borne(frame, text, filled)


def teaching(teacher: Teacher) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function that runs on an executor: rows of GIVEN to rows of schema.EXAMPLES."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            texts = zip(*(batch.column(name).to_pylist() for name in ("reason", "frame", "literals")), strict=True)
            taught = [
                teacher.read(reason, Frame.from_json(frame), Literals.from_json(literals))
                for reason, frame, literals in texts
            ]
            columns = {name: batch.column(name) for name in GIVEN}
            columns["target"] = pa.array([one.target for one in taught], pa.string())
            for name in Taught._fields[1:]:
                columns[name] = pa.array([getattr(one, name) for one in taught], pa.int32())
            yield pa.RecordBatch.from_pydict(columns)

    return run


def _as_it_stands(text: str) -> Rendered:
    """The text with its marks for what fills them, so that failures are told in its own characters."""
    spans = (Claim(*match.span(), match.group(1), match.group()) for match in MARK.finditer(text))
    return Rendered(text, tuple(spans))
