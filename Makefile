# Spangate: `make demo` and `make test` set up what they need by themselves.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SOURCES := gateway processors exporters tests benchmarks examples helm hatch_build.py

.PHONY: demo run test test-nightly bench-redaction test-interop check format compiled bench bench-all docs lock clean help

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(READY) ## start MLflow and the gateway, send real agent traces, show what arrived
	$(BIN)/spangate demo $(ARGS)

run: $(READY) ## run the gateway with a local MLflow
	$(BIN)/spangate run --with-mlflow $(ARGS)

test: $(READY) ## run all tests but the nightly ones
	$(BIN)/python -m pytest -n 2 -m "not nightly and not interop" $(ARGS)

test-nightly: $(READY) ## run the long ones too
	$(BIN)/python -m pytest -m "nightly" $(ARGS)

test-interop: $(READY) ## run the examples in Python, Node, Go and Java against the gateway
	$(BIN)/python -m pytest tests/interop -m interop $(ARGS)

check: $(READY) ## format, lint and types
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/basedpyright

format: $(READY) ## format and mend what can be mended
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

compiled: $(READY) ## compile the hot modules anew, after an edit
	$(BIN)/python hatch_build.py

bench: compiled ## measure throughput and each processor on this machine
	$(BIN)/python -m benchmarks $(ARGS)

bench-all: compiled ## measure all there is and record it in benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks --record
	$(BIN)/python -m benchmarks.latency --record
	$(BIN)/python -m benchmarks.scaling --record
	$(BIN)/python -m benchmarks.flatness --record

bench-redaction: $(READY) ## measure what redaction finds, and how fast
	$(BIN)/python -m benchmarks.redaction $(ARGS)

docs: $(READY) ## write the generated pages anew
	$(BIN)/python -m gateway.config.reference docs/configuration.md
	$(BIN)/python -m gateway.telemetry.reference docs/metrics.md
	$(BIN)/python helm/document.py
	$(BIN)/python helm/dashboard.py

lock: | .venv/bin/python ## resolve the dependencies anew
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --upgrade \
	  --custom-compile-command "make lock" -o requirements.lock pyproject.toml
	for lock in "runtime pyproject.toml" "build --group pyproject.toml:build"; do set -- $$lock; name=$$1; shift; \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-annotate --constraints requirements.lock \
	    --custom-compile-command "make lock" -o requirements-$$name.lock "$$@"; done

clean: ## remove what was set up here
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache

# Debian's python3 may lack ensurepip; pip can then install into an environment from outside.
.venv/bin/python:
	$(PYTHON) -m venv .venv || { rm -rf .venv && $(PYTHON) -m venv --without-pip .venv && \
	  $(PYTHON) -m pip --python .venv/bin/python install -q pip; }

# uv installs ten times faster than pip; where it cannot be had, pip does the same from the same lock.
$(READY): requirements.lock pyproject.toml | .venv/bin/python
	@echo "setting up .venv from requirements.lock ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check "uv>=0.8" || true
	@UV_DEFAULT_INDEX="$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || echo $$PIP_INDEX_URL)"; \
	  if [ -n "$$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX; else unset UV_DEFAULT_INDEX; fi; \
	  UV_HTTP_TIMEOUT=60 $(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --no-build -r requirements.lock || \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python hatch_build.py || true # without a compiler the same sources run, slower
	@touch $@
