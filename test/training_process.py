# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Training runs in processes of their own, to be killed or to train together."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Mapping
from multiprocessing.process import BaseProcess

import torch
import torch._dynamo  # seconds; every optimiser imports it: do so once, before the fork

import training.fit
from training.config import TrainConfig


def start_fit(config: TrainConfig, environment: Mapping[str, str] | None = None) -> BaseProcess:
    """
    Start a run in another process, which writes no report.

    One server imports torch once and forks from there: not from the test, whose threads a fork
    would lose.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['training_process'])
    process = context.Process(target=_fit, args=(config, dict(environment or {})))
    process.start()
    return process


def torchrun_environments(world: int) -> list[dict[str, str]]:
    """What torchrun tells each of its processes on one machine."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    return [
        {
            'RANK': str(rank),
            'LOCAL_RANK': str(rank),
            'WORLD_SIZE': str(world),
            'MASTER_ADDR': '127.0.0.1',
            'MASTER_PORT': str(port),
            'GLOO_SOCKET_IFNAME': 'lo',
        }
        for rank in range(world)
    ]


def _fit(config: TrainConfig, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)
    training.fit.write_run_report = lambda *_: ''
    training.fit.fit(config)
