"""Runs in Airflow's own Python, and only there:  python tests/airflow_run.py parse | run '{"conf": …}'

Reads the DAGs as Airflow's processor does and prints one JSON object as its last line. `run` sends one whole night
through `dag.test()`; pauses between tries are a second, so that a test need not wait for them.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import Any

import pendulum
from airflow.dag_processing.dagbag import BundleDagBag

DAGS = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
LOGICAL_DATE = "2026-03-02T02:00:00Z"


def read_dags() -> BundleDagBag:
    """All DAGs, with their folder on the path as a bundle's is."""
    return BundleDagBag(DAGS, bundle_path=DAGS, bundle_name="dags-folder")


def parse() -> dict[str, Any]:
    """What the DAG is like."""
    bag = read_dags()
    dag = bag.dags["reasongen_nightly"]
    tasks = {
        one.task_id: {
            "after": sorted(one.upstream_task_ids),
            "retries": one.retries,
            "backoff": one.retry_exponential_backoff,
            "alerts": len(one.on_failure_callback),
            "at_once": one.max_active_tis_per_dag,
            "outlets": [asset.name for asset in one.outlets],
            "mode": getattr(one, "mode", None),
        }
        for one in dag.tasks
    }
    facts = {
        "catchup": dag.catchup,
        "runs": dag.max_active_runs,
        "deadlines": [type(one.reference).__name__ for one in dag.deadline],
    }
    return {"errors": bag.import_errors, "tasks": tasks, "params": sorted(dag.params), **facts}


def run(conf: dict[str, Any], wait_seconds: float | None) -> dict[str, Any]:
    """States and tries of every task of one run."""
    dag = read_dags().dags["reasongen_nightly"]
    dag.deadline = None  # Airflow 3.3.2: `dag.test()` fails on any deadline, in its own database query
    for one in dag.tasks:
        one.retry_delay, one.retry_exponential_backoff = timedelta(seconds=1), 0
    if wait_seconds is not None:
        dag.get_task("wait").timeout = wait_seconds
        dag.get_task("wait").poke_interval = 1
    done = dag.test(logical_date=pendulum.parse(LOGICAL_DATE), run_conf=conf)
    tasks = {one.task_id: [str(one.state), one.try_number] for one in done.get_task_instances()}
    return {"state": str(done.state), "tasks": tasks}


if __name__ == "__main__":
    told = parse() if sys.argv[1] == "parse" else run(**json.loads(sys.argv[2]))
    print(json.dumps(told))
