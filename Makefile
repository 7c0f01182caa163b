# `make demo` and `make test` do all the set-up that a fresh machine needs, in an environment of their own.
PYTHON ?= python3
VENV ?= .venv

.PHONY: demo test quality style

demo: $(VENV)/.demo
	$(VENV)/bin/python app.py

test: $(VENV)/.test
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

quality: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

style: $(VENV)/.test
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

$(VENV)/.demo: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.test: $(VENV)/.demo pyproject.toml
	$(VENV)/bin/python -m pip install --quiet -e ".[test]"
	touch $@
