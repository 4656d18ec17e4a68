# The two commands are `make generate` and `make test`; both set up what they need, once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -n 2 --dist loadfile
READY := .venv/.ready
JARS := .local/jars/.checked
CONFIG ?= conf/local.yaml
NAME ?= hotels
SEED ?= $(shell date +%Y%m%d)
export PYSPARK_PYTHON := $(CURDIR)/$(PY)
export PYSPARK_DRIVER_PYTHON := $(CURDIR)/$(PY)
export SPARK_LOCAL_IP := 127.0.0.1
export HF_HUB_OFFLINE := 1
export GX_ANALYTICS_ENABLED := false
export TOKENIZERS_PARALLELISM := false
SUBMIT := .venv/bin/spark-submit --driver-memory 4g --driver-java-options "-Dlog4j2.configurationFile=file:$(CURDIR)/conf/log4j2.properties" \
	--jars $$(ls .local/jars/*.jar | paste -sd,)
AIRFLOW := .local/airflow
AIRFLOW_READY := $(AIRFLOW)/venv/.ready
AIRFLOW_ENV := PATH="$(CURDIR)/$(AIRFLOW)/venv/bin:$$PATH" AIRFLOW_HOME="$(CURDIR)/$(AIRFLOW)" \
	AIRFLOW__CORE__DAGS_FOLDER="$(CURDIR)/infra/airflow/dags" AIRFLOW__CORE__LOAD_EXAMPLES=False \
	AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__CORE__PARALLELISM=4 AIRFLOW_CONN_REASONGEN_SPARK='{"conn_type": "spark", "host": "local[*,4]"}'
DOCS := .local/docs
DOCS_READY := $(DOCS)/.ready

.PHONY: help setup world generate plan domain cluster report airflow airflow-setup airflow-test docs docs-setup test test-slow test-long \
	faults lint bench lock clean

help: ## lists the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) $(JARS) ## .venv from hash-pinned requirements, Delta jars checked by sha-256; only once

$(READY): requirements/bootstrap.txt requirements/runtime.txt requirements/dev.txt
	python3 -m venv .venv
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	.venv/bin/uv pip install -q --python $(PY) --require-hashes -r requirements/runtime.txt -r requirements/dev.txt
	.venv/bin/uv pip install -q --python $(PY) --no-deps --no-build-isolation --offline -e .
	touch $@

$(JARS): infra/delta_jars.sh infra/delta_jars.sha256 $(READY)
	bash infra/delta_jars.sh

world: setup ## the sample world: users, items, events, candidates, with the dirt of real tables
	$(PY) jobs/sample_world.py --config conf/world.yaml --out .local/world

generate: world ## one night over the sample world, from nothing: reasons in .local/lake/reasons
	$(SUBMIT) jobs/generate.py --config $(CONFIG) --json .local/last-run.json

plan: world ## what a night would do and cost; writes nothing
	$(SUBMIT) jobs/generate.py --config $(CONFIG) --dry-run

domain: setup ## another domain from files alone, sample tables to page: make domain NAME=hotels (courses, health)
	$(PY) jobs/sample_world.py --config conf/scenarios/$(NAME)/world.yaml --out .local/$(NAME)/world
	$(SUBMIT) jobs/generate.py --config conf/scenarios/$(NAME).yaml --json .local/$(NAME)/last-run.json
	$(PY) jobs/report.py --config conf/scenarios/$(NAME).yaml

cluster: world ## the same night on a Spark cluster of this machine, a master and two workers: .local/cluster/lake
	$(PY) infra/cluster/standalone.py bash -c '$(SUBMIT) --master $$SPARK_MASTER --archives $$SHIPPED jobs/generate.py --config conf/standalone.yaml'

report: setup ## the newest night's page for people, and an index: .local/lake/report/index.html
	$(PY) jobs/report.py --config $(CONFIG)

# The sample world has no events of today: the scheduled night, which would wait hours for them, gives up at once.
airflow: world airflow-setup ## Airflow with the nightly DAG, on this machine alone (127.0.0.1:8080), until Ctrl-C
	$(AIRFLOW_ENV) REASONGEN_WAIT_HOURS=$${REASONGEN_WAIT_HOURS:-0} airflow standalone

airflow-setup: $(AIRFLOW_READY) ## Airflow in an environment of its own, from hash-pinned requirements; only once

$(AIRFLOW_READY): requirements/airflow.txt | setup
	python3 -m venv $(AIRFLOW)/venv
	.venv/bin/uv pip install -q --python $(AIRFLOW)/venv/bin/python --require-hashes -r requirements/airflow.txt
	touch $@

airflow-test: airflow-setup ## whole nights through the DAG, over a small world
	$(PY) -m pytest -m "slow or long" tests/test_airflow.py

docs: docs-setup ## the documentation, every warning an error: .local/site/index.html
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet

docs-setup: $(DOCS_READY) ## what builds it, in an environment of its own, from hash-pinned requirements; only once

$(DOCS_READY): requirements/docs.txt | setup
	python3 -m venv $(DOCS)
	.venv/bin/uv pip install -q --python $(DOCS)/bin/python --require-hashes -r requirements/docs.txt
	touch $@

test: setup ## the tests that fit 15 minutes on two cores
	$(PYTEST)

test-slow: setup ## real spark-submit, kills, real data where it is there
	$(PYTEST) -m "slow and not long"

test-long: setup ## further cases of the slow tests
	$(PYTEST) -m long

faults: setup ## crash states, interleavings, kills, a storm, ten nights in a row: what SEED draws; tests/faults/run.py has them all
	rm -rf .local/faults/draw
	for kind in kill:200 crash:30 interleave:10 driver:4 storm:1 nights:1; do \
	  $(PY) tests/faults/run.py $${kind%:*} --cases $${kind#*:} --nights 10 --seconds 60 --seed $(SEED) --out .local/faults/draw || exit 1; done

lint: setup ## ruff and mypy
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

bench: world ## the figures of README
	$(PY) benchmarks/night.py
	$(PY) benchmarks/engine.py --quick

lock: setup ## compiles requirements/*.in again
	for name in bootstrap runtime dev airflow docs; do .venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_28 requirements/$$name.in -o requirements/$$name.txt; done

clean: ## removes what a night wrote; keeps .venv and jars
	rm -rf .local/lake .local/world .local/last-run.json
