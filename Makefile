# Each target sets up what it needs in an environment of its own, also on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
TEST_MODULES = $(sort $(basename $(notdir $(wildcard tests/* tests/*/*.py))))

.PHONY: demo test quality style wheel

demo: $(VENV)/.demo
	$(BIN)/python app.py

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# mypy's second run is for the Python blocks of README, docs and cards; deptry's second run for what no user installs,
# where packages for development are as good as others.
quality: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	rm -rf $(VENV)/snippets && $(BIN)/python tests/docs/blocks.py $(VENV)/snippets
	$(BIN)/mypy $(VENV)/snippets
	$(BIN)/deptry .
	@$(BIN)/deptry . --exclude '\.?venv|build' --extend-exclude 'leed|app|hub' --ignore DEP002,DEP004 \
	    $(addprefix --known-first-party ,leed app train_accelerate $(TEST_MODULES))

style: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Builds a wheel and uses it where nothing but its own dependencies is installed.
wheel: $(VENV)/.dev
	rm -rf build $(VENV)/dist $(VENV)/wheel
	$(BIN)/python -m build --wheel --outdir $(VENV)/dist . > /dev/null
	$(PYTHON) -m venv $(VENV)/wheel
	$(VENV)/wheel/bin/python -m pip install --quiet $(VENV)/dist/*.whl
	$(VENV)/wheel/bin/python -I .ci/try_wheel.py hub/leed-open
	$(VENV)/wheel/bin/leed --help > /dev/null
	rm -rf build $(VENV)/wheel

$(VENV)/.demo: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.test: $(VENV)/.demo pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[test]"
	touch $@

$(VENV)/.dev: $(VENV)/.test
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@
