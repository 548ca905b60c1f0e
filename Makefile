# make demo       set up, fetch the sample scene, classify it
# make test       set up, run the quick tests
# make slow       run the tests that start many processes: clusters, kills, benchmarks
# make lint       run ruff, mypy and import-linter
# make structure  print modules per folder, import circles, options and lines of code
# make fuzz       read damaged and hostile files with every reader; ARGS="--engine atheris" is guided by coverage
# make audit      search for known vulnerabilities of the pinned packages, over the network
# make sbom       list the installed packages with versions and licences in build/sbom.json
# make docs       build the documentation into site/
# make dist       build wheel and source archive in dist/ and check them as PyPI does
# make qgis-plugin  write the QGIS plugin to dist/hsi_processing.zip
# make bench      measure the engines on this machine; writes benchmarks/results/engines.json
# make gpu        measure a GPU in a few minutes: tests, engines, memory, profile; writes benchmarks/results/gpu.json
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := build/tools

.PHONY: structure slow faults kills fuzz audit sbom demo setup test lint docs dist qgis-plugin bench gpu clean

demo: $(READY)
	$(BIN)/hsi fetch indian_pines --to data
	$(BIN)/hsi classify data/indian_pines.mat --model hybridsn-bn --out runs/demo --overwrite

setup: $(READY)

$(READY): setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

slow: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m slow $(ARGS)

faults: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults $(ARGS)

kills: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.killing $(ARGS)

fuzz: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m tests.faults.fuzzing --trials 2000 --out runs/fuzzing $(ARGS)

$(TOOLS):
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet pip-audit cyclonedx-bom twine

audit: $(TOOLS)
	$(TOOLS)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

sbom: $(READY) $(TOOLS)
	$(TOOLS)/bin/cyclonedx-py environment $(BIN)/python --output-file build/sbom.json

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

structure: $(READY)
	$(BIN)/python -m tests.structure

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

dist: $(READY) $(TOOLS)
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(TOOLS)/bin/twine check --strict dist/*

qgis-plugin: $(READY)
	PYTHONPATH=. $(BIN)/python integrations/qgis/build.py --zip dist/hsi_processing.zip

bench: $(READY)
	$(BIN)/hsi fetch indian_pines --to data
	$(BIN)/python -m benchmarks.engines data/indian_pines.mat $(ARGS)

gpu: $(READY)
	$(BIN)/hsi fetch indian_pines --to data
	$(BIN)/python -m benchmarks.gpu data/indian_pines.mat $(ARGS)

clean:
	rm -rf $(VENV) build dist site *.egg-info
