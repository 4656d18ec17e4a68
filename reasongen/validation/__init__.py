"""May one reason be shown? Pure: no Spark, no torch. (Whether a run may be published is quality, another package.)

whole.py       the whole verdict of code: structure, law, evidence
verdict.py     the structural rules on one rendered text, all findings kept
case.py        what a rule sees, what a finding is, limits per locale
structure.py   the structural rules
private.py     words that tell of a person; evidence without what they find
withdrawn.py   what a person took down
reviewed.py    what a person decided of a skeleton: doubts lifted, skeletons refused
wording.py     what the words around the marks claim, against the frame
forbidden.py   strings that no reason for a frame may hold: what a mask is made of
texts.py       free text with its evidence: rules of the policy and claims; the door of jobs/check_texts.py

    gate.py       the rules of conf/policies behind normal.py (one spelling), prefilter.py (one pass) and facts.py
    claims.py     what a text claims against what its evidence bears: words (licensing.py), quantities, acts (told.py)
    opinion.py    a second opinion on what claims.py lets pass: what is told side by side (aligned.py)
    grounds.py    the evidence by field, with what conf/licences lets follow from it (lexicon.py)
"""

from reasongen.validation.case import Failure, limits_of
from reasongen.validation.forbidden import Forbidden
from reasongen.validation.gate import category_of, compile_policy, unlawful
from reasongen.validation.licences import load_licences
from reasongen.validation.private import Private, load_private
from reasongen.validation.reviewed import Reviewed
from reasongen.validation.rules import Policy, load_policy
from reasongen.validation.verdict import PASSED, POLICY_VERSION, Verdict, judge
from reasongen.validation.whole import Rulebook
from reasongen.validation.withdrawn import Withdrawn, plain, unless_disliked
from reasongen.validation.wording import WordingJudge

__all__ = [
    "PASSED",
    "POLICY_VERSION",
    "Failure",
    "Forbidden",
    "Policy",
    "Private",
    "Reviewed",
    "Rulebook",
    "Verdict",
    "Withdrawn",
    "WordingJudge",
    "category_of",
    "compile_policy",
    "judge",
    "limits_of",
    "load_licences",
    "load_policy",
    "load_private",
    "plain",
    "unlawful",
    "unless_disliked",
]
