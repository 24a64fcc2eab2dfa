# Each target makes what it needs in .cache: a bare Debian with Python 3.11, apt and make is enough.

PYTHON ?= python3
ORTHANC_SUITE ?= trixie
HTTP_PORT ?= 8042
MINUTES ?= 20
export ORTHANC_SUITE HTTP_PORT DICOM SAMPLE

BOOTSTRAP := @$(PYTHON) -m dev.bootstrap
BIN := .cache/venv/bin

.PHONY: help run demo test soak bench bench-quick lint audit lock wheels clean
.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
	@echo 'Variables: ORTHANC_SUITE=trixie|forky  HTTP_PORT=8042  MINUTES=20  SAMPLE=small|large|slide  DICOM="files or folders"'
	@echo '           DEBIAN_MIRROR=address  PYTEST="options for pytest"'

run: ## start Orthanc with the plugin and a sample study; Ctrl-C stops it
	$(BOOTSTRAP) $(ORTHANC_SUITE)
	@$(BIN)/python -m dev.ohif || echo 'Going on without the viewer.'
	@$(BIN)/python -m dev.run

demo: ## the same once, then stop
	$(BOOTSTRAP) $(ORTHANC_SUITE)
	@$(BIN)/python -m dev.run --once

test: ## run all tests, against Orthanc of both suites
	$(BOOTSTRAP) trixie forky
	@$(BIN)/pytest --numprocesses 2 $(PYTEST)

soak: ## run mixed load, faults and restarts for MINUTES=20; writes docs/soak
	$(BOOTSTRAP) $(ORTHANC_SUITE)
	@$(BIN)/python -m tests.soak --suite $(ORTHANC_SUITE) --minutes $(MINUTES)

bench: ## measure against the stock plugin and nginx, 40 minutes or more; writes docs/benchmarks
	$(BOOTSTRAP) trixie forky
	@$(BIN)/python -m bench

bench-quick: ## the same in some minutes, with less data
	$(BOOTSTRAP) forky
	@$(BIN)/python -m bench --quick

lint: ## check style, types and layers
	$(BOOTSTRAP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@PYTHONPATH=plugin $(BIN)/lint-imports

audit: ## look for known advisories about the pinned packages
	$(BOOTSTRAP)
	@$(BIN)/python -m dev.audit

lock: ## pin the newest versions of all requirements
	$(BOOTSTRAP)
	@cd requirements && for name in plugin otel archive cluster cli dev clients s3; do \
	  UV_CUSTOM_COMPILE_COMMAND='make lock' ../$(BIN)/uv pip compile --quiet --upgrade --universal --fork-strategy fewest \
	    --python-version 3.11 --generate-hashes --no-emit-index-url $$name.in --output-file $$name.txt || exit 1; \
	done

wheels: ## download the plugin's wheels for an image build without network
	$(BOOTSTRAP)
	@$(BIN)/python docker/wheels.py

clean: ## delete all that was made, Orthanc's storage included
	rm -rf .cache docker/wheels/*.whl .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
