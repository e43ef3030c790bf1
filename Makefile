# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

PYTHON_IN_VENV = .venv/bin/python
# what can be installed apart, each as requirements-<purpose>.txt has it
PURPOSES = $(filter-out tests %-nodeps,$(patsubst requirements-%.txt,%,$(wildcard requirements-*.txt)))

.PHONY: demo test lint setup mutants $(PURPOSES)

demo: .venv/.demo ## converts test_wavs/example.wav
	$(PYTHON_IN_VENV) demo.py

test: setup lint ## all tests that need no card
	OMP_NUM_THREADS=1 $(PYTHON_IN_VENV) -m pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder tests

lint: setup
	$(PYTHON_IN_VENV) -m ruff check .
	$(PYTHON_IN_VENV) -m ruff format --check .

mutants: setup ## what the tests do not notice of small changes: in MODULES="a.py b.py", else in what changed since the last tag
	OMP_NUM_THREADS=1 nice $(PYTHON_IN_VENV) -m tools.mutants $(MODULES)

setup: .venv/.tests ## makes .venv with all that the tests need, where it is missing or a requirements file is newer

$(PURPOSES): %: .venv/.%

.venv/.%: $(wildcard requirements*.txt) tools/setup.sh
	PYTHON=$(PYTHON) tools/setup.sh $*
