"""The night as a DAG:  wait → contract → generate → report → maintain

wait      until tonight's tables are there: a look every few minutes, which holds no slot between looks
contract  `generate.py --dry-run`: every fault of every table at once, before a token is paid for
generate  the night. Gate and publish are no tasks of their own: they are steps of this one Spark job, which holds the
          lease and publishes in one commit; tasks for them could only pretend
report    the night's page: also of a night that was refused or crashed
maintain  sorts and tidies the tables; only after a night that was published

The night's date is the day on which the run's data interval ends. Running it again is safe: unchanged inputs generate
nothing and commit nothing. A crash is tried again with growing pauses; a fault (exit code 2) and a refusal (3) fail at
once; where another run works (4) it is tried later, where a newer night stands it is skipped. Nights that were missed
are not caught up: the newest one is what the recommender needs. To fill in the nights 1 to 7, oldest first (both dates
mean their midnight):

  airflow backfill create --dag-id reasongen_nightly --from-date 2026-03-01 --to-date 2026-03-08 --max-active-runs 1

No task depends on the night before: a refused night would stop all later ones. Order comes from one run at a time;
where somebody starts more, the lease holds, and so does the rule that no older night is published over a newer one.
"""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import (
    DAG,
    Asset,
    CronTriggerTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    SyncCallback,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowFailException
from reasongen_alerts import deadline_missed, task_failed
from reasongen_job import HOME, PYTHON, Job, options_of

SCHEDULE = os.environ.get("REASONGEN_SCHEDULE", "0 2 * * *")
TIMEZONE = os.environ.get("REASONGEN_TIMEZONE", "UTC")
"""Where a night's date begins; `inputs.timezone` of the settings should say the same."""
WAIT_HOURS = float(os.environ.get("REASONGEN_WAIT_HOURS", "4"))
DEADLINE_HOURS = float(os.environ.get("REASONGEN_DEADLINE_HOURS", "6"))
READY = Path(__file__).resolve().parents[1] / "ready.py"
NOT_YET = 75

REASONS = Asset("reasongen_reasons", extra={"table": "reasons"})
"""Starts other DAGs; `extra` of its event says which night:  DAG(…, schedule=[Asset("reasongen_reasons")])"""

with DAG(
    dag_id="reasongen_nightly",
    description="Personal recommendation reasons: one night, from the tables to what the recommender reads",
    doc_md=__doc__,
    tags={"reasongen"},
    schedule=CronTriggerTimetable(SCHEDULE, timezone=TIMEZONE),
    start_date=pendulum.datetime(2026, 1, 1, tz=TIMEZONE),
    catchup=False,
    max_active_runs=1,
    deadline=DeadlineAlert(
        # From the hour of the schedule: that of DAGRUN_QUEUED_AT keeps Airflow 3.3 from clearing a task (HTTP 500).
        reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
        interval=timedelta(hours=DEADLINE_HOURS),
        callback=SyncCallback(deadline_missed),
    ),
    params={
        "config": Param(
            os.environ.get("REASONGEN_CONFIG", "conf/local.yaml"), type="string", description="settings, YAML"
        ),
        "night": Param(None, type=["null", "string"], format="date", description="another night than the run's own"),
        "limit": Param(None, type=["null", "integer"], minimum=1, description="only so many pairs"),
        "settings": Param([], type="array", items={"type": "string", "pattern": "^[^=]+="}, description="KEY=VALUE"),
    },
    default_args={
        "owner": "reasongen",
        "retries": 3,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(hours=1),
        "execution_timeout": timedelta(hours=8),
        "max_active_tis_per_dag": 1,  # a backfill counts its runs by itself: beside the nightly one it waits here
        "on_failure_callback": task_failed,
    },
):

    @task.sensor(mode="reschedule", poke_interval=300, timeout=WAIT_HOURS * 3600, execution_timeout=None)
    def wait() -> bool:
        """Whether tonight's tables have come, as the jobs' own Python sees them."""
        told = options_of(get_current_context(), TIMEZONE, ("--night",))
        done = subprocess.run([PYTHON, str(READY), *told], cwd=HOME, check=False)
        if done.returncode == 2:
            raise AirflowFailException("wait: exit 2: a fault in arguments or settings; a retry is useless.")
        if done.returncode not in (0, NOT_YET):
            raise RuntimeError(f"wait: exit {done.returncode}: a crash; a retry helps.")
        return done.returncode == 0

    def job(name: str, *options: str, task_id: str | None = None, **kwargs: Any) -> Job:
        """A job of ours as a task."""
        return Job(task_id=task_id or name, job=name, timezone=TIMEZONE, options=options, **kwargs)

    contract = job("generate", "--night", "--limit", "--dry-run", task_id="contract")
    generate = job("generate", "--night", "--limit", outlets=[REASONS])
    # `one_done`: generate has run, whatever came of it; a night that never began has no page.
    report = job("report", "--night", trigger_rule="one_done")
    maintain = job("maintain")

    wait() >> contract >> generate >> report >> maintain
    generate >> maintain  # not after a refused night; and the run is as failed as its night
