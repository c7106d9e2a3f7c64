PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PHOTOS ?=

.PHONY: demo stack test test-slow test-all lint setup setup-dev clean

demo: setup  ## start a service with something to look at: the painted gallery, or PHOTOS=DIR
	$(BIN)/bowerbird demo $(if $(PHOTOS),--photos "$(PHOTOS)")

stack: setup-dev  ## the same on real engines: PostgreSQL with a replica, SeaweedFS, Redis, nginx
	$(BIN)/bowerbird stack up --demo

# Three at a time on two cores: half of the time a test waits for an engine. Engines are started once for each of the three.
test: setup-dev  ## the default suite
	$(BIN)/pytest -n 3 --dist loadfile -m "not slow"

test-slow: setup-dev  ## what takes more than a few seconds, one after the other, as it kills, floods and measures
	$(BIN)/pytest -m slow

test-all: test test-slow

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# pyvips comes as source only; it falls back to its pure Python mode where there is no compiler.
setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-binary pyvips --no-deps --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.installed-dev: constraints-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-binary pyvips --no-deps --require-hashes -r constraints-dev.txt
	touch $@

clean:
	rm -rf $(VENV) .cache bowerbird-data demo-data
