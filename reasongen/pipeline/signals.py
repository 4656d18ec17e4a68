"""What monitoring hears of a night: OpenLineage events, and a file for Prometheus' textfile collector.

Counts, names and versions only, no value from a row. A signal that cannot be given is said in the log and ends no
night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    error_message_run,
    nominal_time_run,
    schema_dataset,
    tags_run,
)
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.uuid import generate_new_uuid
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from reasongen.config import NightConfig, SourceSettings
from reasongen.errors import EXIT_OK, EXIT_REFUSED, ReasongenError
from reasongen.pipeline import ledger
from reasongen.pipeline.progress import say
from reasongen.schema import INPUTS, OUTPUTS, Table

NAMESPACE = "reasongen"
PRODUCER = "reasongen/" + ledger.VERSION
CRASH = 1
SUCCEEDED = "reasongen_last_success_timestamp_seconds"
_RESTS_ON = {
    "user_id": ("candidates.user_id",),
    "item_id": ("candidates.item_id",),
    "scenario": ("candidates.scenario",),
    "locale": ("items.locale",),
    "evidence": ("events.event", "events.ts", "events.item_id", "items.title", "items.tags", "items.attributes"),
    "reason": ("events.event", "items.title", "items.brand", "items.category", "items.tags", "items.attributes"),
}
"""Columns of `reasons` and what they are made from."""


@dataclass
class Signals:
    """One night as monitoring hears of it. Whoever runs it puts its row into `run`."""

    config: NightConfig
    run: ledger.Run | None = None
    _id: str = field(default_factory=lambda: str(generate_new_uuid()))

    def began(self) -> None:
        """START."""
        self._event(RunState.START)

    def ended(self, error: BaseException | None) -> None:
        """COMPLETE, or FAIL with the reason, and the figures for Prometheus."""
        refused = self.run is not None and self.run.status == "refused"
        code = exit_code_of(error) if error else EXIT_REFUSED if refused else EXIT_OK
        self._event(RunState.FAIL if code else RunState.COMPLETE, _reason(error, refused=refused) if code else None)
        if file := self.config.signals.prometheus:
            _given("prometheus", lambda: self._write_metrics(Path(file), code))

    def _event(self, state: RunState, message: str | None = None) -> None:
        where = self.config.signals.openlineage
        if where is None:
            return

        def emit() -> None:
            transport = None if where == "env" else FileTransport(FileConfig(where, append=True))
            OpenLineageClient(transport=transport).emit(self._told(state, message))

        _given("openlineage", emit)

    def _told(self, state: RunState, message: str | None) -> RunEvent:
        config, run = self.config, self.run
        facets: dict[str, Any] = {}
        if night := run.night if run else config.night:
            facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(f"{night}T00:00:00Z")
        if run is not None:
            told = ("run_id", "status", "model_version", "policy_version", "code_version")
            fields = [tags_run.TagsRunFacetFields(name, getattr(run, name), source=NAMESPACE) for name in told]
            facets["tags"] = tags_run.TagsRunFacet(fields)
        if message is not None:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message, "python")
        given = [(name, getattr(config.inputs, name)) for name in INPUTS if getattr(config.inputs, name) is not None]
        return RunEvent(
            eventType=state,
            eventTime=datetime.now(UTC).isoformat(),
            producer=PRODUCER,
            run=Run(self._id, facets),
            job=Job(NAMESPACE, f"generate.{config.scenario}"),
            inputs=[self._input(name, source) for name, source in given],
            outputs=[self._output()] if state == RunState.COMPLETE else [],
        )

    def _input(self, name: str, source: SourceSettings) -> InputDataset:
        facets: dict[str, Any] = {"schema": _schema(INPUTS[name])}
        if self.run is not None and (version := self.run.inputs.get(name)):
            facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(version)
        return InputDataset(*_named(source.path, source.table), facets=facets)

    def _output(self) -> OutputDataset:
        facets: dict[str, Any] = {"schema": _schema(OUTPUTS["reasons"]), "columnLineage": self._lineage()}
        if self.run is not None and self.run.delta_version is not None:
            facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(str(self.run.delta_version))
        return OutputDataset(*_named(f"{self.config.root}/reasons", None), facets=facets)

    def _lineage(self) -> column_lineage_dataset.ColumnLineageDatasetFacet:
        fields: dict[str, Any] = {}
        for column, sources in _RESTS_ON.items():
            made_from = []
            for table, _, name in (one.partition(".") for one in sources):
                source = getattr(self.config.inputs, table)
                made_from.append(column_lineage_dataset.InputField(*_named(source.path, source.table), name))
            fields[column] = column_lineage_dataset.Fields(made_from)
        return column_lineage_dataset.ColumnLineageDatasetFacet(fields)

    def _write_metrics(self, file: Path, code: int) -> None:
        """The file anew, whole at every moment; the time of the last success is taken over where this is none."""
        registry, now, scenario = CollectorRegistry(), datetime.now(UTC).timestamp(), self.config.scenario

        def gauge(name: str, told: str, values: dict[str, float], label: str | None = None) -> None:
            made = Gauge(f"reasongen_{name}", told, ["scenario", *([label] if label else [])], registry=registry)
            for key, value in values.items():
                made.labels(scenario, *([key] if label else [])).set(value)

        succeeded = _last_success(file, scenario) if code else now
        gauge("last_run_exit_code", "exit code of the last run: 0 published or nothing to do", {"": code})
        gauge("last_run_timestamp_seconds", "when the last run ended", {"": now})
        if succeeded is not None:
            gauge("last_success_timestamp_seconds", "when a run last ended with exit code 0", {"": succeeded})
        if (run := self.run) is not None:
            gauge("pairs", "candidates of the last run by how they ended", dict(run.pairs), "class")
            gauge("row_codes", "rows of the input tables with a fault", dict(run.codes), "code")
            gauge("prompts", "distinct prompts of the last run", dict(run.prompts), "kind")
            gauge("tokens", "tokens of the last run", {"in": run.tokens_in, "out": run.tokens_out}, "direction")
            gauge("stage_seconds", "wall seconds of each stage", dict(run.seconds), "stage")
            gauge("model_loads", "models loaded by the last run", {"": run.model_loads})
        file.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(file), registry)


@contextmanager
def signalled(config: NightConfig) -> Iterator[Signals]:
    """Tells of the night within: that it began, and how it ended, whatever ended it."""
    signals = Signals(config)
    signals.began()
    try:
        yield signals
    except BaseException as error:
        signals.ended(error)
        raise
    signals.ended(None)


def exit_code_of(error: BaseException) -> int:
    """What a job returns for it."""
    return error.exit_code if isinstance(error, ReasongenError) else CRASH


def _reason(error: BaseException | None, *, refused: bool) -> str:
    """Our own errors hold no value of a row; others may, so only their kind is told."""
    if error is None:
        return "the gate refused" if refused else "unknown"
    return str(error) if isinstance(error, ReasongenError) else type(error).__name__


def _given(name: str, signal: Callable[[], None]) -> None:
    try:
        signal()
    except Exception as error:  # whatever a monitoring library raises
        say(f"signals: {name} was not told ({type(error).__name__}: {error})")


def _last_success(file: Path, scenario: str) -> float | None:
    try:
        families = list(text_string_to_metric_families(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    samples = (sample for family in families for sample in family.samples)
    return next((s.value for s in samples if s.name == SUCCEEDED and s.labels.get("scenario") == scenario), None)


def _schema(table: Table) -> schema_dataset.SchemaDatasetFacet:
    fields = [schema_dataset.SchemaDatasetFacetFields(one.name, one.type, one.doc) for one in table.columns]
    return schema_dataset.SchemaDatasetFacet(fields)


def _named(path: str | None, table: str | None) -> tuple[str, str]:
    """Namespace and name, as OpenLineage's naming rules have them."""
    if path is None:
        return "catalog", str(table)
    if "://" in path:
        kind, _, rest = path.partition("://")
        bucket, _, key = rest.partition("/")
        return f"{kind}://{bucket}", key
    return "file", str(Path(path).resolve())
