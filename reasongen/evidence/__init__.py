"""What of this item rests on what of this user's behaviour: column expressions alone, no Python UDF, no torch.

private     words of items that tell what nobody should be told of a person: such an item is no evidence, and has none
catalogue   items → one row each: what may be said of it, and its facets as 64-bit keys in fixed slots
history     events before the night → one row per (user, item): strongest act, when last
support     candidates × history → per slot: strongest act, how many other items, the newest of them
frames      support → ranked evidence within the budget → what the prompt shows, and what it hides
"""

from reasongen.evidence.catalogue import catalogue
from reasongen.evidence.frames import frames
from reasongen.evidence.history import history
from reasongen.evidence.support import support

__all__ = ["catalogue", "frames", "history", "support"]
