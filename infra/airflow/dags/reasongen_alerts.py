"""Tells a person what failed and why: a line in the log, and a POST where the connection `reasongen_alerts` is set.

The password of that connection is the webhook's whole address: Airflow stores passwords encrypted and masks them.
Without a database:  AIRFLOW_CONN_REASONGEN_ALERTS='{"conn_type": "generic", "password": "<address>"}'
"""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowRuntimeError

CONNECTION = "reasongen_alerts"
SECONDS = 10
log = logging.getLogger(__name__)


def task_failed(context: Mapping[str, Any]) -> None:
    """What `on_failure_callback` calls, once a task has failed for good.

    Faults and refusals are told whole: these are the jobs' own words, which name nobody. Of a crash only the first line
    leaves this place: the stack of another library may hold a row.
    """
    task, error = context["ti"], context.get("exception")
    why = str(error or "it was stopped from outside")
    if not isinstance(error, AirflowFailException):
        why = why.partition("\n")[0]
    facts = {"dag": task.dag_id, "run": task.run_id, "task": task.task_id, "try": task.try_number}
    _tell({"text": f"{task.dag_id}: {task.task_id} failed in {task.run_id}: {why}", **facts, "why": why})


def deadline_missed(context: Mapping[str, Any]) -> None:
    """What the deadline calls: tonight's run is late, whatever it waits for. A backfill of old nights always is."""
    run = context["dag_run"]
    if run["run_type"] != "scheduled":
        return
    facts = {"dag": run["dag_id"], "run": run["dag_run_id"], "deadline": str(context["deadline"]["deadline_time"])}
    _tell({"text": f"{run['dag_id']}: {run['dag_run_id']} was not done at its deadline", **facts})


def _tell(told: Mapping[str, Any]) -> None:
    """Never raises: an alert that fails must not hide what it tells of."""
    log.error("alert: %s", told["text"])
    try:
        address = Connection.get(CONNECTION).password
    except (AirflowNotFoundException, AirflowRuntimeError):
        return
    body = json.dumps(told, ensure_ascii=False).encode()
    try:
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            log.info("alert: the webhook answered %s", answer.status)
    except (OSError, ValueError) as error:  # the address may be wrong, too; it is a secret, and such errors quote it
        log.error("alert: the webhook could not be reached: %s", type(error).__name__)
