"""A Spark cluster on this machine alone, for as long as a command runs: a master and two workers on 127.0.0.1.

    python infra/cluster/standalone.py COMMAND ...

COMMAND finds SPARK_MASTER (spark://127.0.0.1:PORT) and SHIPPED, the value of `--archives`: the package as `package` and
the weights as `models`, so that the executors take neither from this folder. What was started is ended, whatever
COMMAND does, and where this is ended itself, by Ctrl-C or a TERM.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark

ROOT = Path(__file__).resolve().parent.parent.parent
PACKED = ROOT / ".local" / "cluster"
WORKERS = 2
CORES, MEMORY = 1, "2g"  # of each worker
SECONDS = 120  # for each of them to come up


@contextmanager
def standalone(logs: Path, workers: int = WORKERS) -> Iterator[str]:
    """The master's address. Raises TimeoutError where one of them does not come up; the message holds its log's end."""
    with ExitStack() as running:
        port = _free_port()
        master = f"spark://127.0.0.1:{port}"
        log = running.enter_context(
            _daemon(logs, "master", "Master", "--host", "127.0.0.1", "--port", f"{port}", "--webui-port", "0")
        )
        _wait_for(log, r"I have been elected leader")
        for number in range(workers):
            work = logs / f"worker{number}"
            size = ("--cores", f"{CORES}", "--memory", MEMORY, "--webui-port", "0", "--work-dir", f"{work}")
            log = running.enter_context(
                _daemon(logs, f"worker{number}", "Worker", "--host", "127.0.0.1", *size, master)
            )
            _wait_for(log, r"Successfully registered with master")
        yield master


def shipped() -> str:
    """The package and the weights, packed below .local/cluster: the value of spark-submit's `--archives`."""
    PACKED.mkdir(parents=True, exist_ok=True)
    packed = []
    for alias, folder, inside in (("package", "reasongen", "reasongen"), ("models", "models", ".")):
        archive = PACKED / f"{alias}.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(ROOT / folder, inside, filter=_without_caches)
        packed.append(f"{archive}#{alias}")
    return ",".join(packed)


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


@contextmanager
def _daemon(logs: Path, name: str, kind: str, *options: str) -> Iterator[Path]:
    """One of Spark's daemons in the foreground, ended at the end; its log."""
    home = Path(pyspark.__file__).parent
    log = logs / f"{name}.log"
    env = {**os.environ, "SPARK_HOME": f"{home}", "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "512m"}
    words = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind.lower()}.{kind}", *options]
    with log.open("wb") as out, subprocess.Popen(words, env=env, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            yield log
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(log: Path, line: str) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if re.search(line, log.read_text(encoding="utf-8", errors="replace")):
            return
        time.sleep(0.2)
    end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise TimeoutError(f"{log}: wanted {line!r} within {SECONDS} s; it ends with:\n{end}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main(argv: Sequence[str]) -> int:
    """Runs the command beside a cluster; its exit code."""
    if not argv:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    logs = PACKED / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with standalone(logs) as master:
        env = {**os.environ, "SPARK_MASTER": master, "SHIPPED": shipped()}
        return subprocess.run(argv, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
