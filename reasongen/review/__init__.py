"""People decide what rules could not: the queue of doubted skeletons, their decisions, the page to make them on.

decisions   what a decision is, and what many of them say together
agreement   how far reviewers agree
state       the same and the queue's counts, for who asks
store       both tables, read and appended to by a reader that is not Spark
session     who is at the page, and whether a request is hers
page        the queue as HTML, in both languages
server      the page over HTTP

No Spark, no torch. The night fills the queue and asks the decisions in pipeline/reviewing.py.
"""

from reasongen.review.decisions import Decision, Waiting, standing
from reasongen.review.server import ReviewServer
from reasongen.review.state import state_of
from reasongen.review.store import add_decision, add_waiting, read_decisions, read_waiting

__all__ = [
    "Decision",
    "ReviewServer",
    "Waiting",
    "add_decision",
    "add_waiting",
    "read_decisions",
    "read_waiting",
    "standing",
    "state_of",
]
