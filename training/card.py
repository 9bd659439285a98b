# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The model card that lies beside a model file."""

from __future__ import annotations

from typing import Any

from seg_perception.inference.model_file import ModelCard
from training.config import TrainConfig
from training.evaluate import Scores

CAMVID_SIZE = (360, 480)  # of SegNet's copy


def card_text(
    card: ModelCard, config: TrainConfig, state: dict[str, Any], scores: Scores, file_bytes: int
) -> str:
    """The card as Markdown."""
    height, width = card.input_size
    worked = 'x'.join(map(str, config.deploy.size_for(CAMVID_SIZE)))
    sequence = config.data.holdout
    rows = '\n'.join(
        f'| {row.name} | {iou:.3f} |'
        for row, iou in zip(card.classes.classes, scores.matrix.iou(), strict=True)
    )
    return f"""# Model card: {card.name}

{config.model.name} ({config.model.planes} planes), trained from scratch by
`python -m training fit`: epoch {state['epoch']}, step {state['step']}, averaged weights.
File {file_bytes / 1e6:.1f} MB: float16 weights, float32 arithmetic. Contract version
{card.contract}, class table `{card.classes.name}` (SegNet's grouping; the exact-colour protocol of
other papers is another one). Frames are segmented at their own aspect with
at most the pixels of {height}x{width}, smaller ones enlarged by at most {card.upscale:g}; any
multiple of {card.size_multiple} is taken.

## Data and terms

- {card.data}.
- {card.licence}. CamVid in this form comes with SegNet's tutorial, CC BY-NC.
- The rendered streets are the project's own.

## Scores

{scores.frames} frames of sequence {sequence} of 360x480, segmented at {worked}, compared at
their own size; void ignored, one confusion matrix. The
sequence was never trained on, but the checkpoint was chosen and the temperature fitted on it, so
expect less on other streets. It is much darker than the frames trained on.

| class | IoU |
|---|---|
{rows}
| **mean** | **{scores.matrix.mean_iou():.3f}** |

Pixel accuracy {scores.matrix.pixel_accuracy():.3f}. The confidence is the largest softmax of
logits / {card.temperature}; its expected calibration error (15 bins) is
{scores.calibration.value():.3f}, measured on the frames that the temperature was fitted on.

## Limits

- **Not for driving a car**, nor for any use where a wrong pixel can hurt someone.
- A few hundred frames of one city, one camera and mostly daylight, left-hand traffic: other
  cities, snow, night and lenses are outside of what it has seen, rendered frames aside.
- At night it misses vehicles, and then the risk reads far too low; bonnets and dashboards
  in view are taken for road or car.
- Thin and rare things (poles, signs, fences, bicyclists, distant people) are often missed.
- There is no class for animals, trains or anything that is none of the eleven: such things get
  some class, often with high confidence.
"""
