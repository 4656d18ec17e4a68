"""One of our jobs as a task: Airflow's own SparkSubmitOperator, and what our exit codes mean for a retry.

Where things are comes from the environment, so that reading a DAG asks no database:
  REASONGEN_HOME           checkout with jobs/, conf/; default: that of this file. Relative paths of settings begin here
  REASONGEN_PYTHON         the jobs' Python; default: .venv/bin/python there
  REASONGEN_SPARK_SUBMIT   default: .venv/bin/spark-submit there
  REASONGEN_JARS           Delta's jars, with commas; default: those of .local/jars there; empty: the cluster has them
  REASONGEN_DRIVER_MEMORY  default: 4g
Master and deploy mode stand in the Airflow connection `reasongen_spark`. In deploy mode `cluster` Spark standalone and
YARN hand back no exit code of ours: there every failure is a crash, retried a bounded number of times.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

HOME = Path(os.environ.get("REASONGEN_HOME", Path(__file__).resolve().parents[3]))
PYTHON = os.environ.get("REASONGEN_PYTHON", f"{HOME}/.venv/bin/python")
SPARK_SUBMIT = os.environ.get("REASONGEN_SPARK_SUBMIT", f"{HOME}/.venv/bin/spark-submit")
JARS = os.environ.get("REASONGEN_JARS", ",".join(map(str, sorted(HOME.glob(".local/jars/*.jar")))))
DRIVER_MEMORY = os.environ.get("REASONGEN_DRIVER_MEMORY", "4g")
CONNECTION = "reasongen_spark"

USELESS = {
    2: "a fault in arguments, settings or tables; a retry is useless until it is mended",
    3: "the gate refused; the old night stands. The night's report names the check; a retry is useless",
}
_EXIT_CODE = re.compile(r"(?:Error|Kubernetes spark exit) code is: (-?\d+)")
_TAIL = "\nLast spark-submit output:"
_NEWER = "already published"
"""Of the two faults with exit code 4: a newer night stands, which no waiting changes."""


def night_of(context: Mapping[str, Any], timezone: str) -> str:
    """The night's date: the parameter, or the day on which the run's data interval ends, where `timezone` is."""
    if given := context["params"]["night"]:
        return str(given)
    moment = context.get("data_interval_end") or context["dag_run"].run_after
    return str(moment.astimezone(ZoneInfo(timezone)).date())


def options_of(context: Mapping[str, Any], timezone: str, options: Sequence[str]) -> list[str]:
    """A job's command line: the run's settings, and of `options` those that have a value.

    `--night` and `--limit` bring their value from the run; any other option is handed on as it is.
    """
    params = context["params"]
    told = ["--config", params["config"], *(part for one in params["settings"] for part in ("--set", one))]
    values = {"--night": night_of(context, timezone), "--limit": params["limit"]}
    for option in options:
        if option not in values:
            told.append(option)
        elif values[option] is not None:
            told += [option, str(values[option])]
    return told


def verdict(job: str, error: AirflowException) -> AirflowException:
    """What becomes of a task whose spark-submit failed: an exception that ends it, skips it, or has it tried again."""
    head, _, tail = str(error).partition(_TAIL)
    codes = _EXIT_CODE.findall(head)  # on Kubernetes the second one is the driver's
    if not codes:
        return error
    code = int(codes[-1])
    if code in USELESS:
        return AirflowFailException(f"{job}: exit {code}: {USELESS[code]}.{tail}")
    if code == 4 and _NEWER in tail:
        return AirflowSkipException(f"{job}: exit 4: a newer night stands.{tail}")
    why = "another run works on this scenario" if code == 4 else "a crash"
    return AirflowException(f"{job}: exit {code}: {why}; a retry helps.{tail}")


class Job(SparkSubmitOperator):
    """`jobs/<job>.py` under spark-submit, from HOME; `options` as in `options_of`."""

    def __init__(self, *, job: str, timezone: str, options: Sequence[str] = ("--night",), **kwargs: Any) -> None:
        super().__init__(
            application=f"{HOME}/jobs/{job}.py",
            conn_id=CONNECTION,
            spark_binary=SPARK_SUBMIT,
            jars=JARS or None,
            driver_memory=DRIVER_MEMORY,
            name=f"reasongen-{job}",
            env_vars={"PYSPARK_PYTHON": PYTHON, "PYSPARK_DRIVER_PYTHON": PYTHON},
            **kwargs,
        )
        self.job, self.night_timezone, self.options = job, timezone, tuple(options)

    def execute(self, context: Any) -> None:
        """Raises AirflowFailException on exit codes 2 and 3, AirflowSkipException where a newer night stands."""
        self.application_args = options_of(context, self.night_timezone, self.options)
        try:
            with chdir(HOME):
                super().execute(context)
        except AirflowException as error:
            raise verdict(self.job, error) from None
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"night": night_of(context, self.night_timezone)}
