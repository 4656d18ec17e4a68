"""Where Spark meets the engine: the night as a whole.

night        the order of the stages
preparing    inputs → candidates and pairs with their frames
generating   distinct prompts that lack samples → generations, slice by slice
judging      samples → verdict → choice, inside an executor
staging      pairs beside samples → the staged table and quarantine
publishing   what changes in reasons, in one commit
standing     what earlier runs left that need not be done again
maintaining  what is done to the tables between nights
ledger       what the run did; conservation
progress     lines for who watches
summary      the end of a night, as text
"""

from reasongen.pipeline.ledger import Run
from reasongen.pipeline.maintaining import maintain_tables
from reasongen.pipeline.night import generate_night
from reasongen.pipeline.plan import plan_night
from reasongen.pipeline.summary import summary

__all__ = ["Run", "generate_night", "maintain_tables", "plan_night", "summary"]
