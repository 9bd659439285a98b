# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0

PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
# The name of a sourced ROS 2, or `wheels`. Another flavour gets another .venv.
FLAVOUR := $(or $(if $(AMENT_PREFIX_PATH),$(ROS_DISTRO)),wheels)
RUN := $(VENV)/.run-$(FLAVOUR)
MESSAGES := $(VENV)/.messages-$(FLAVOUR)
TEST := $(VENV)/.test-$(FLAVOUR)
SETUP := PYTHON='$(PYTHON)' tools/setup.sh

# Our messages lie in .venv; the wheels find it by themselves, a sourced ROS 2 is told.
ifneq ($(FLAVOUR),wheels)
WITH_MESSAGES := AMENT_PREFIX_PATH='$(VENV):$(AMENT_PREFIX_PATH)' \
	LD_LIBRARY_PATH='$(VENV)/lib:$(LD_LIBRARY_PATH)'
endif

.PHONY: help demo test lint setup gpu clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: $(MESSAGES)  ## video through the real graph into demo_out/; VIDEO=file.mp4 OUT=folder
	@$(WITH_MESSAGES) $(BIN)/seg-perception demo \
		$(if $(VIDEO),--video '$(VIDEO)') $(if $(OUT),--out '$(OUT)') $(ARGS)

test: $(TEST)  ## all tests; ARGS='-k mask' passes options on to pytest
	@$(WITH_MESSAGES) $(BIN)/python -m pytest $(ARGS)

lint: $(TEST)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(MESSAGES)  ## .venv for the demo and the commands, without torch

gpu: $(MESSAGES)  ## the CUDA build of onnxruntime in place of the CPU one
	$(BIN)/python -m pip uninstall --yes --quiet onnxruntime
	$(BIN)/python -m pip install --quiet \
		'onnxruntime-gpu[cuda,cudnn]$(shell sed -n 's/^onnxruntime//p' requirements/run.txt)'

clean:  ## remove .venv and everything built
	rm -rf .venv build install log demo_out *.egg-info .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis

$(RUN): $(addprefix requirements/,run.txt offline.txt ros.txt constraints.txt) setup.py \
		seg_perception/__init__.py tools/setup.sh tools/fix_wheel_paths.py
	@$(SETUP) run
	@touch $@

$(MESSAGES): $(RUN) $(wildcard seg_perception_msgs/*.* seg_perception_msgs/msg/*.msg)
	@$(SETUP) messages
	@touch $@

$(TEST): $(MESSAGES) requirements/dev.txt requirements/train.txt
	@$(SETUP) test
	@touch $@
