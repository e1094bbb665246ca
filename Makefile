# Needs make and Python >= 3.11; everything else comes, pinned and hashed, from requirements/*.lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test quick lint lock bench bench-predictive bench-generative bench-record clean

help:  ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 16

demo: export SHIPWORTHY_RECORD := demo/out/record.db
demo: export SHIPWORTHY_KEYS := demo/out/keys
demo: export SHIPWORTHY_PASSPHRASE := a passphrase for the demo alone
demo: $(VENV)/demo.stamp  ## Check a model trained on simulated loans and two versions of a simulated assistant; sign the evidence
	@rm -rf demo/out
	@$(BIN)/python demo/lending.py
	@$(BIN)/shipworthy check demo/shipworthy.yaml --out demo/out/run; code=$$?; \
	if [ $$code -ne 1 ]; then echo "The demo should end in hold (exit code 1), not in exit code $$code."; exit 1; fi
	@echo
	@$(BIN)/shipworthy check demo/assistant.yaml --out demo/out/assistant --fresh; code=$$?; \
	if [ $$code -ne 1 ]; then echo "The demo should end in hold (exit code 1), not in exit code $$code."; exit 1; fi
	@echo
	@$(BIN)/shipworthy keys new demo --person "A. Demo <demo@example.org>" -q
	@$(BIN)/shipworthy keys register demo --register demo/out/keys.json -q
	@$(BIN)/shipworthy pack demo/out/assistant --key demo --register demo/out/keys.json --out demo/out/package
	@echo
	$(BIN)/shipworthy verify demo/out/package --keys demo/out/keys.json
	@echo
	@echo "Both decisions are HOLD, as they should be: the checks found what was put into the model and the assistant."
	@echo "In CI the exit code 1 would stop the release (0 ship, 1 hold, 2 unusable, 3 undecided, 4 stale)."
	@echo "Read demo/out/run/report.html and demo/out/assistant/report.html, then the plans beside them in demo/"

test: lint  ## Everything that CI runs: lint, types, layers, all tests
	$(PYTEST)

quick: lint  ## The same without the long simulations
	$(PYTEST) -m "not slow"

lint: $(VENV)/test.stamp  ## Lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: bench-predictive bench-generative bench-record  ## Measure against the floor and the peers; writes docs/performance.md

bench-predictive: $(VENV)/test.stamp .venv-peers/stamp
	$(BIN)/python benchmarks/run.py

bench-generative: $(VENV)/test.stamp .venv-peers/stamp .venv-peers/inspect.stamp .venv-peers/npm.stamp
	$(BIN)/python benchmarks/asking.py

bench-record: $(VENV)/test.stamp
	$(BIN)/python benchmarks/record.py --postgresql

.venv-peers/stamp: requirements/peers.in
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv-peers/inspect.stamp: requirements/peers-inspect.in .venv-peers/stamp
	$(PYTHON) -m venv .venv-peers/inspect
	.venv-peers/inspect/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# promptfoo comes from npm; without node its row says that it is not installed.
.venv-peers/npm.stamp: .venv-peers/stamp
	@if command -v npm >/dev/null; then \
	npm install --silent --no-audit --no-fund --prefix .venv-peers/npm promptfoo@0.121.20; \
	else echo "No npm: promptfoo is left out."; fi
	@touch $@

lock: $(VENV)/test.stamp  ## Resolve the locks again, after a dependency of pyproject.toml changed
	$(BIN)/uv pip compile $(LOCKED) --extra sklearn -o requirements/demo.lock
	$(BIN)/uv pip compile $(LOCKED) --extra dev --constraint requirements/demo.lock -o requirements/test.lock

clean:  ## Remove the environment and what was built
	rm -rf $(VENV) .venv-peers benchmarks/out build dist demo/out .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

LOCKED := pyproject.toml requirements/build.in --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

# The test lock holds the demo lock, version for version, so both can live in one environment.
$(VENV)/%.stamp: requirements/%.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Shipworthy needs Python >= 3.11: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$*.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
