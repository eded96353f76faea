# Every target does only what is missing. See README.md; `make demo` and `make test` are all one needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
JOB := demo-job
PLAYGROUND := .venv-playground
# A file's tests run in one process, which shares what is dear; in the order of their names, long files come early.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
LOCK = $(BIN)/uv pip compile --quiet --constraint constraints.txt --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-emit-index-url --custom-compile-command "make lock"

.PHONY: demo test test-slow lint docs plots screenshots faults soak fuzz settings setup export-env playground-env playground clean
.PHONY: secrets lock sbom audit sheet-schema dist test-dist
.PHONY: bench bench-memory bench-overhead bench-compare bench-fetch bench-fleet bench-gallery bench-metrics
.PHONY: bench-nightly bench-stream bench-submit-many bench-tagging bench-vlm bench-watch bench-workers

demo: $(VENV)/.run
	$(BIN)/askpix run demo/images/questions.jsonl --output $(JOB)
	@echo "Or, for captions: $(BIN)/askpix run demo/images --output $(JOB)-captions" >&2

# What tells of most mistakes within a quarter of an hour, on two cores. No test needs what another leaves.
test: $(VENV)/.dev
	$(PYTEST) -m "not slow" $(ARGS)

# All others: workers apart, faults, browsers, models of full size, the commands of the documentation.
test-slow: $(VENV)/.dev
	$(PYTEST) -m slow $(ARGS)

# All of a folder of tests/: make test-faults, make test-models.
test-%: $(VENV)/.dev
	$(PYTEST) tests/$* $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Ten minutes of faults of all kinds; bench/results/soak.json says what was injected and what was lost.
soak: $(VENV)/.dev
	$(BIN)/python -m pytest tests/faults/soak.py -s $(ARGS)

# Ten minutes of damaged images; bench/results/fuzz.json says what came of them.
fuzz: $(VENV)/.dev
	$(BIN)/python -m pytest tests/faults/fuzz.py --timeout 0 -s $(ARGS)

# Workers that are killed at 30 random moments, where `make test-slow` has 6.
faults: $(VENV)/.dev
	ASKPIX_TESTS_KILLS=30 $(BIN)/python -m pytest tests/faults -s $(ARGS)

setup: $(VENV)/.dev

# Random passwords and keys for docker-compose.yml. Those that are there stay.
secrets:
	deploy/secrets.sh

# What the images install: every package with its version and hashes, as constraints.txt has it.
lock: $(VENV)/.dev
	$(LOCK) deploy/requirements/build.in --output-file deploy/requirements/build.txt
	$(LOCK) pyproject.toml --extra flower --output-file deploy/requirements/flower.txt
	$(LOCK) pyproject.toml --extra local --extra vlm --output-file deploy/requirements/runtime.txt
	$(LOCK) pyproject.toml --extra convert --override deploy/requirements/without-cuda.txt --no-emit-package torch \
	  --output-file deploy/requirements/convert.txt

# What the image of workers holds, as CycloneDX, with the licence of each package: build/sbom.json.
sbom: $(VENV)/.dev build/runtime/.installed
	$(BIN)/cyclonedx-py environment --output-reproducible --output-format JSON --output-file build/sbom.json build/runtime
	@echo "The list is in build/sbom.json" >&2

# Fails where a package that is pinned has a known fault; says so where nobody can be asked.
audit: $(VENV)/.dev
	$(BIN)/python deploy/audit.py $(ARGS)

# The source distribution and the wheel of what is committed, once they have been looked at.
dist: $(VENV)/.dev
	$(BIN)/python deploy/dist.py $(ARGS)

# The wheel in an empty environment, which it fills from the package index, does what the tutorial says.
test-dist: dist
	$(BIN)/python -m pytest tests/dist/installed.py $(ARGS)

# Where the tests look for it; they make it themselves, if it is not there.
export-env: $(VENV)/.dev
	ASKPIX_EXPORT_ENV=.cache/export $(BIN)/askpix model export-env

playground-env: $(PLAYGROUND)/.playground

# A web page to try models by hand, with the demo model unless ARGS names others.
playground: $(PLAYGROUND)/.playground
	$(PLAYGROUND)/bin/askpix playground $(ARGS)

# Some half an hour; the model that it makes first stays in .cache.
bench: $(VENV)/.dev
	$(BIN)/python -m bench.blip $(ARGS)

bench-memory: $(VENV)/.dev
	$(BIN)/python -m bench.blip.memory $(ARGS)

bench-overhead: $(VENV)/.dev
	$(BIN)/python bench/overhead.py $(ARGS)

bench-compare: $(VENV)/.dev
	$(BIN)/python -m bench.compare $(ARGS)

bench-fetch: $(VENV)/.dev
	$(BIN)/python bench/fetch.py $(ARGS)

# What the README shows, from the real thing, with the system's Chromium.
screenshots: $(VENV)/.dev $(PLAYGROUND)/.playground
	$(BIN)/python -m screenshots $(ARGS)

bench-watch: $(VENV)/.dev
	$(BIN)/python -m bench.watch $(ARGS)

bench-workers: $(VENV)/.dev
	$(BIN)/python -m bench.workers $(ARGS)

# 64 workers; some ten minutes, and 10 GB of memory.
bench-fleet: $(VENV)/.dev
	$(BIN)/python -m bench.fleet $(ARGS)

# Ten million rows, twice; some 20 minutes, and 5 GB of disk.
bench-submit-many: $(VENV)/.dev
	$(BIN)/python -m bench.submit_many $(ARGS)

bench-gallery: $(VENV)/.dev
	$(BIN)/python bench/gallery.py $(ARGS)

bench-metrics: $(VENV)/.dev
	$(BIN)/python bench/metrics.py $(ARGS)

bench-nightly: $(VENV)/.dev
	$(BIN)/python -m bench.nightly $(ARGS)

bench-stream: $(VENV)/.dev
	$(BIN)/python bench/stream.py $(ARGS)

bench-tagging: $(VENV)/.dev
	$(BIN)/python -m bench.tagging $(ARGS)

bench-vlm: $(VENV)/.dev
	$(BIN)/python bench/vlm.py $(ARGS)
	$(BIN)/python bench/vlm_sizes.py

# Drawings of what is in bench/results; measures nothing.
plots: $(VENV)/.dev
	$(BIN)/python -m bench.plots

# The documentation, as pages in build/docs. Made anew each time: a page that was not read again gives no warning.
docs: $(VENV)/.dev
	rm -rf build/docs
	$(BIN)/python -m sphinx -W --keep-going -n -q -d build/doctrees -E docs build/docs
	@echo "The pages begin at build/docs/index.html" >&2

# The table of docs/settings.md, from the class of the settings.
settings: $(VENV)/.dev
	$(BIN)/python -m docs._site.settings

# The JSON Schema of attribute sheets, from the class of questions.
sheet-schema: $(VENV)/.dev
	$(BIN)/python -m askpix.producer.sheets.schema

clean:
	rm -rf $(VENV) $(PLAYGROUND) $(JOB) $(JOB)-captions build dist .cache .mypy_cache .hypothesis .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# What running takes: no torch, no network service.
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing what running takes into $(VENV)" >&2
	$(PIP) -e '.[local]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing what development takes into $(VENV); torch is some 200 MB" >&2
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.run

# Apart, since Gradio wants an older Pillow than all else is tested with.
$(PLAYGROUND)/.playground: pyproject.toml constraints.txt
	@echo "installing what the playground takes into $(PLAYGROUND)" >&2
	@test -x $(PLAYGROUND)/bin/python || $(PYTHON) -m venv $(PLAYGROUND)
	grep -v '^pillow==' constraints.txt > $(PLAYGROUND)/constraints.txt
	$(PLAYGROUND)/bin/python -m pip install --quiet --disable-pip-version-check -c $(PLAYGROUND)/constraints.txt \
	  -e '.[local,playground,vlm]'
	@touch $@

build/runtime/.installed: deploy/requirements/runtime.txt | $(BIN)/python
	$(PYTHON) -m venv build/runtime
	build/runtime/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r $<
	build/runtime/bin/python -m pip uninstall --quiet --yes pip setuptools
	@touch $@

# Debian keeps what this needs in a package of its own.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no venv module: try 'apt-get install python3-venv'" >&2; exit 1; }
