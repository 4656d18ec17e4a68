"""From facts to the model's prompt, and from its text with marks to what a reader sees. Pure: no Spark, no torch.

frame.py      what a prompt shows (frame), what it hides (literals), which marks are allowed
template.py   frame → prompt, by a file of conf/prompts
locales.py    the words of a language, from conf/locales
skeleton.py   a text with marks, split once
render.py     marks → words in the right form; filled spans are claims
nouns.py, titles.py, neutral.py, binding.py, fallback.py   what those rest on
"""

from reasongen.prompts.frame import MARK, EvidenceLiterals, EvidenceRow, Frame, Literals, allowed_marks
from reasongen.prompts.locales import Limits, Locale, load_locale, load_locales
from reasongen.prompts.render import RENDERER_VERSION, Claim, Rendered, Renderer
from reasongen.prompts.skeleton import parse_skeleton
from reasongen.prompts.template import PromptTemplate, load_template
from reasongen.prompts.titles import short_title

__all__ = [
    "MARK",
    "RENDERER_VERSION",
    "Claim",
    "EvidenceLiterals",
    "EvidenceRow",
    "Frame",
    "Limits",
    "Literals",
    "Locale",
    "PromptTemplate",
    "Rendered",
    "Renderer",
    "allowed_marks",
    "load_locale",
    "load_locales",
    "load_template",
    "parse_skeleton",
    "short_title",
]
