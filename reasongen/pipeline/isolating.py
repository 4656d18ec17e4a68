"""A prompt that kills its worker every time, found and set aside, so that the rest of its slice is written.

Spark tries a task four times; then the whole slice would be lost, and the next run would die of it again. A slice that
killed its workers is cut in parts, these in parts, down to the row. Only a row that dies alone is set aside, with a
code in `generations`: it is not asked for again, and its pairs get the catalogue's reason.
"""

from __future__ import annotations

from collections.abc import Callable

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reasongen.errors import MachineError
from reasongen.pipeline.progress import say

CRASHED = "error:crash"
"""The finish_reason of such a row."""
PARTS = 16
MOST = 4
"""So many rows are set aside in one slice; more of them are no rows, but a machine or a model that does not work."""
_DIED = ("Python worker exited unexpectedly", "ExecutorLostFailure")


def write_apart(
    rows: DataFrame,
    write: Callable[[DataFrame], None],
    set_aside: Callable[[DataFrame], None],
    *,
    cut: int = 1,
    lost: list[str] | None = None,
) -> None:
    """Hands `rows` (prompt_hash, sample, and more) to `write`, in parts where their workers die, and each row that dies
    alone to `set_aside`.

    `cut`: into how many parts the slice is cut by now; `lost`: hashes of what was set aside. Raises MachineError where
    more than MOST rows die, and whatever `write` raises for another reason than a dead worker.
    """
    lost = [] if lost is None else lost
    try:
        return write(rows)
    except (PySparkException, Py4JJavaError) as error:
        if not any(sign in str(error) for sign in _DIED):
            raise
        death = error
    part = F.pmod(F.floor(F.pmod(F.xxhash64("prompt_hash", "sample"), F.lit(1 << 40)) / cut), F.lit(PARTS))
    sizes = (
        rows.groupBy(part.alias("part")).agg(F.count("*").alias("rows"), F.min("prompt_hash").alias("hash")).collect()
    )
    if sum(one["rows"] for one in sizes) > 1:
        say("generate: a worker died of this slice again and again; it is cut, to find the prompt")
        for number in sorted(one["part"] for one in sizes):
            write_apart(rows.where(part == number), write, set_aside, cut=cut * PARTS, lost=lost)
        return None
    if not sizes:  # no row to blame
        raise death
    lost.append(sizes[0]["hash"])
    if len(lost) > MOST:
        raise MachineError(
            f"engine: wanted workers that live; found {len(lost)} prompts of one slice that each killed theirs: it is"
            " the machine or the model. Look for a signal or the memory in the executors' logs, and halve"
            " engine.batch_rows."
        ) from death
    say(f"generate: prompt {lost[-1][:12]}… kills its worker each time; it is set aside")
    return set_aside(rows)
