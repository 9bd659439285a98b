# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The network of a checkpoint as it is deployed, with the data of its run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn
from torch.export import ExportedProgram

from seg_perception.core.classes import ClassTable
from training.checkpoint import load_checkpoint
from training.config import TrainConfig, parse_config
from training.data import OpenedData, open_frames
from training.data.sample import FrameSet
from training.data.tables import check_table
from training.evaluate.predictors import checkpoint_network, holdout_temperature
from training.evaluate.scores import working_frame
from training.export.deploy import Deployed, stride_of
from training.export.files import to_program
from training.export.fold import fold_and_quantise_weights

CHECKED_FRAMES = 6


@dataclass(frozen=True)
class ExportCandidate:
    """
    One network to export.

    :param net: with its norms folded and its weights rounded, in evaluation mode.
    :param temperature: of its confidence, fitted on the validation frames.
    :param stride: pixels of a frame for one of its logits, see ``stride_of``.
    """

    config: TrainConfig
    classes: ClassTable
    data: OpenedData
    net: nn.Module
    temperature: float
    stride: int
    epoch: int
    step: int
    blend: tuple[str, ...] = ()  # checkpoints of whose weights these are the mean
    held_out: TrainConfig | None = None  # of the run that was calibrated in its place

    @property
    def reference(self) -> Deployed:
        """The network that every exported file must equal."""
        return Deployed(self.net, self.temperature).eval()

    def program(self, by_cells: bool) -> ExportedProgram:
        """The network and the steps around it as one graph."""
        deploy = self.config.deploy
        deployed = Deployed(self.net, self.temperature, self.stride, by_cells)
        return to_program(deployed, deploy.input_size, deploy.dynamic)

    def frames_to_check(self) -> list[np.ndarray]:
        """Real frames at working size, and one at a size that a trace might not have foreseen."""
        frames = self._some(self.data.val, CHECKED_FRAMES)
        if self.config.deploy.dynamic:
            frames.append(
                working_frame(frames[0], lambda _: unlike(self.config.deploy.input_size))
            )
        return frames

    def frames_to_calibrate(self, count: int) -> list[np.ndarray]:
        """At least so many training frames at working size, as many of each set."""
        sets = [frames for frames, _ in self.data.train]
        return [rgb for frames in sets for rgb in self._some(frames, -(-count // len(sets)))]

    def trained_on_val(self) -> bool:
        """Are frames that the scores are of among those trained on, by their names?"""
        trained = {name for frames, _ in self.data.train for name in frames.names}
        return not trained.isdisjoint(self.data.val.names)

    def _some(self, frames: FrameSet, count: int) -> list[np.ndarray]:
        """A number of frames spread over a set, at working size."""
        chosen = np.linspace(0, len(frames) - 1, min(count, len(frames))).astype(int)
        size_for = self.config.deploy.size_for
        return [working_frame(frames[int(index)].rgb, size_for) for index in chosen]


def load_candidate(
    checkpoint: Path, overrides: Sequence[str], held_out: ExportCandidate | None = None
) -> ExportCandidate:
    """
    Read a checkpoint, open the data of its run and fit the temperature.

    :param overrides: words such as ``deploy.upscale=1.25`` over the configuration of the run.
    :param held_out: another run, whose temperature is taken instead.
    :raises CheckpointError: when it is no checkpoint.
    :raises ClassTableError: when it has other classes than the data.
    """
    state = load_checkpoint(checkpoint)
    config = parse_config(state['config'], overrides)
    data, classes = open_frames(config.data), ClassTable.from_dict(state['classes'])
    check_table('the checkpoint', classes, data.classes)
    net = fold_and_quantise_weights(checkpoint_network(state))
    if held_out is not None:
        check_table('the held-out run', held_out.classes, classes)
        temperature = held_out.temperature
    else:
        temperature = holdout_temperature(net, data.val, config)
    return ExportCandidate(
        config=config,
        classes=classes,
        data=data,
        net=net,
        temperature=temperature,
        stride=stride_of(net, config.deploy.input_size),
        epoch=state['epoch'],
        step=state['step'],
        blend=tuple(state.get('blend', ())),
        held_out=held_out.config if held_out else None,
    )


def unlike(size: tuple[int, int]) -> tuple[int, int]:
    """A smaller size whose halves are soon odd: nets that only fit even ones show it here."""
    height, width = (max(40, side // 16 * 16 - 8) for side in size)
    return height, width
