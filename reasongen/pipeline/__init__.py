"""Where Spark meets the engine: the night as a whole.

night        one run at a time: what stands, the lease, the evidence
attempt      the stages from evidence to publish
preparing    inputs → candidates and pairs with their frames
generating   distinct prompts that lack samples → generations, slice by slice
isolating    a prompt that kills its worker, set aside
masking      what the text of a frame may not hold, for the engine
judging      samples → verdict → choice, inside an executor
staging      pairs beside samples → the staged table and quarantine
publishing   what changes in reasons, in one commit
examples     labelled reasons → what a model is taught
teaching     a label, aligned with its facts and cut to what they bear, inside an executor
archiving    what was shown under which rules, without users
standing     what earlier runs left that need not be done again
maintaining  what is done to the tables between nights
forgetting   users out of every table, and the list that keeps them out
present      inputs as they are this moment
withdrawing  reasons down at once, and kept down
disliking    what users said no to, never shown to them again
rolling_back what an earlier night left, put back
doubting     samples that a person may pass, inside an executor
reviewing    what people decided, and what they are asked next
rejudging    whether a reason that was published before may still be shown
receipt      what a forgetting did
explaining   one pair, from its input rows to its words
explanation  the same as data and text
ledger       what the run did; conservation
progress     lines for who watches
streaming    who has something new gets reasons between two nights
signals      what monitoring hears
plan         what a night would do and cost
estimating   the cost, by the rates of earlier nights
previewing   some pairs from evidence to verdict, unpublished
summary      the end of a night, as text
"""

from reasongen.pipeline.disliking import take_feedback
from reasongen.pipeline.examples import make_examples
from reasongen.pipeline.explaining import explain_pair
from reasongen.pipeline.forgetting import forget_users, read_users
from reasongen.pipeline.ledger import Run
from reasongen.pipeline.maintaining import maintain_tables
from reasongen.pipeline.night import generate_night
from reasongen.pipeline.plan import Plan, plan_night
from reasongen.pipeline.previewing import MOST_PREVIEWED, preview_pairs
from reasongen.pipeline.progress import log_as_json
from reasongen.pipeline.rolling_back import roll_back
from reasongen.pipeline.signals import signalled
from reasongen.pipeline.streaming import stream_changes
from reasongen.pipeline.summary import summary
from reasongen.pipeline.withdrawing import withdraw

__all__ = [
    "MOST_PREVIEWED",
    "Plan",
    "Run",
    "explain_pair",
    "forget_users",
    "generate_night",
    "log_as_json",
    "maintain_tables",
    "make_examples",
    "plan_night",
    "preview_pairs",
    "read_users",
    "roll_back",
    "signalled",
    "stream_changes",
    "summary",
    "take_feedback",
    "withdraw",
]
