# make run DIR=~/Pictures    set everything up, index a folder, search it
# make test                  set everything up, run the tests
# make help                  the rest

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough; name another with PYTHON=...
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help run test soak lint bench derived tox dist deb lock release clean

help:
	@echo 'make run DIR=PATH   index a folder with a daemon of your own and search it'
	@echo 'make test           run the tests (ARGS="-k search" for some of them)'
	@echo 'make soak           run the long campaigns: kill -9, torture trees, large trees'
	@echo 'make lint           ruff and mypy'
	@echo 'make bench          measure, peers beside us, and print the tables of docs/performance.md'
	@echo 'make derived        write what follows from the declarations: documents, manual, completion'
	@echo 'make tox            run the tests on every Python there is'
	@echo 'make dist           make wheel and sdist, in dist/'
	@echo 'make deb            make the Debian package, in dist/ (as root; ARGS="--arch arm64" for the other)'
	@echo 'make lock           choose the versions anew that the Debian package bundles'
	@echo 'make release VERSION=1.2.3   join the fragments of changelog.d, and name the version everywhere'
	@echo 'make clean          remove what make made (never your data)'

run: $(VENV)/.run
	@test -n "$(DIR)" || { echo 'say which folder: make run DIR=~/Pictures' >&2; exit 2; }
	@$(BIN)/sd run "$(DIR)"

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

soak: $(VENV)/.test
	$(BIN)/python -m pytest -m soak --timeout 3600 $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python -m bench $(ARGS)

derived: $(VENV)/.test
	$(BIN)/python docs/derive.py
	$(BIN)/python docs/manual.py
	$(BIN)/python docs/completion.py

tox: $(VENV)/.test
	$(BIN)/tox $(ARGS)

dist: $(VENV)/.test
	$(BIN)/python -m release.dist

deb: $(VENV)/.test
	$(BIN)/python -m release.deb $(ARGS)

lock: $(VENV)/.test
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m release.wheels lock

release: $(VENV)/.test
	$(BIN)/python -m release.cut '$(VERSION)'

clean:
	rm -rf $(VENV) .tox .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info bench/build

$(VENV)/.pip:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed (Debian: apt install python3)' >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo 'the venv module is missing (Debian: apt install python3-venv)' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.run: pyproject.toml sd_client/cli/sd | $(VENV)/.pip
	@# setuptools warns about editable installs of any project that is laid out like this one
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[speed,graphql]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.run
	$(BIN)/python -m pip install --quiet --group test
	@touch $@
