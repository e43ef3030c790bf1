# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

PYTHON_IN_VENV = .venv/bin/python
PYTEST = OMP_NUM_THREADS=1 $(PYTHON_IN_VENV) -m pytest -q -n 4 --dist loadgroup --no-loadscope-reorder
# what can be installed apart: the dependency groups of pyproject.toml
PURPOSES = card live corpus evaluation training acceptance

.PHONY: demo test quick lint setup mutants page $(PURPOSES)

demo: .venv/.demo ## converts test_wavs/example.wav
	$(PYTHON_IN_VENV) demo.py

test: setup lint ## all tests that need no card
	$(PYTEST) tests

quick: setup lint ## those of them that take seconds
	$(PYTEST) -m "not slow" tests

lint: setup
	$(PYTHON_IN_VENV) -m ruff check .
	$(PYTHON_IN_VENV) -m ruff format --check .

mutants: setup ## what the tests do not notice of small changes: in MODULES="a.py b.py", else in what changed since the last tag
	OMP_NUM_THREADS=1 nice $(PYTHON_IN_VENV) -m tools.mutants $(MODULES)

page: live/node_modules/.package-lock.json ## installs what the live page needs to convert in the browser: Node.js and its npm are there

live/node_modules/.package-lock.json: live/package.json live/package-lock.json
	@command -v npm >/dev/null || { echo "error: npm is not there; install Node.js 18 or newer (apt install nodejs npm)" >&2; exit 1; }
	cd live && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

setup: .venv/.tests ## makes .venv with all that the tests need, where it is missing or what is to be installed has changed

$(PURPOSES): %: .venv/.%

.venv/.%: requirements.txt pyproject.toml tools/setup.sh
	PYTHON=$(PYTHON) tools/setup.sh $*
