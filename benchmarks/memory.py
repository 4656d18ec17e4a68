"""Peak memory of the driver and of one executor (JVM and its Python workers), read from /proc while a night runs."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from worlds import descendants, fresh_night, night_config, session

MASTER = "local-cluster[1,2,4096]"
CONF = {"spark.executor.memory": "2g", "spark.driver.memory": "1g"}
"""The executor's limit is for everything of it: heap, what the JVM needs beside it, and its Python workers."""


def memory(rounds: int) -> dict[str, Any]:
    """The big night on a cluster of one executor with two cores; megabytes at the highest moment."""
    config = night_config("big", lake="lake-memory")
    conf = {**config.spark.conf, **CONF}
    spark_settings = config.spark.model_copy(update={"master": MASTER, "conf": conf})
    config = config.model_copy(update={"spark": spark_settings})
    peaks: dict[str, int] = {}
    with session(config) as spark:
        stop = threading.Event()
        watch = threading.Thread(target=_watch, args=(peaks, stop), daemon=True)
        watch.start()
        run, wall = fresh_night(spark, config)
        stop.set()
        watch.join()
    driver = "driver, MB (below 2,048)"
    executor = "executor with its Python, MB (below 4,096)"
    return {
        driver: peaks["driver"],
        executor: peaks["executor"],
        "the same, MB": {name: peaks[name] for name in sorted(peaks) if name not in ("driver", "executor")},
        "seconds": round(wall, 1),
        "model loads": run.model_loads,
    }


def _watch(peaks: dict[str, int], stop: threading.Event) -> None:
    while not stop.wait(0.5):
        now: dict[str, int] = dict.fromkeys(("driver-jvm", "driver-python", "executor-jvm", "executor-python"), 0)
        for pid in descendants(os.getpid()):
            kind = _kind(pid)
            if kind:
                now[kind] += _resident(pid)
        now["driver-python"] += _resident(os.getpid())
        now["driver"] = now["driver-jvm"] + now["driver-python"]
        now["executor"] = now["executor-jvm"] + now["executor-python"]
        for name, size in now.items():
            peaks[name] = max(peaks.get(name, 0), size)


def _kind(pid: int) -> str | None:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    if "CoarseGrainedExecutorBackend" in line:
        return "executor-jvm"
    if "pyspark.daemon" in line or "pyspark/daemon" in line:
        return "executor-python"
    return "driver-jvm" if "java" in line.split(" ")[0] else None


def _resident(pid: int) -> int:
    """Megabytes in memory now; shared pages of forked workers count in each, so the sum is an upper bound."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    return 0
