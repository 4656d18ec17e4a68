"""What a loss of power left half written, put right before anybody reads or writes."""

from __future__ import annotations

from reasongen.pipeline.progress import say
from reasongen.tables import set_torn_aside


def mend(root: str) -> None:
    """Sets aside what a loss of power tore, and says so: nobody should have to, at night."""
    for name in set_torn_aside(root):
        say(f"{name}: the last commit was torn, by a loss of power most likely; it is set aside and done again")
