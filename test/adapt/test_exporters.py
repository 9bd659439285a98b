# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real networks, as torchvision and segmentation_models_pytorch export them, wrapped."""

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')
torchvision = pytest.importorskip('torchvision')
smp = pytest.importorskip('segmentation_models_pytorch')

from seg_perception.adapt.adapt import AdaptOptions, adapt  # noqa: E402
from seg_perception.core.classes import CAMVID_11, CITYSCAPES_19  # noqa: E402
from seg_perception.inference.onnx_engine import OnnxEngine  # noqa: E402

pytestmark = pytest.mark.slow
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def export(net: torch.nn.Module, path: Path, **options: object) -> Path:
    example = (torch.zeros(1, 3, 96, 128),)
    torch.onnx.export(net, example, path, dynamo=True, external_data=False, **options)
    return path


def frame() -> np.ndarray:
    """Soft coloured noise: smooth as a picture, and every class somewhere."""
    noise = np.random.default_rng(5).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    return cv2.resize(noise, (128, 96), interpolation=cv2.INTER_CUBIC)


def labels_of_torch(net: torch.nn.Module, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels by torch alone, and where the best class is clear."""
    image = torch.from_numpy(rgb).permute(2, 0, 1)[None] / 255.0
    with torch.no_grad():
        logits = net((image - MEAN) / STD)
    logits = logits['out'] if isinstance(logits, dict) else logits
    top = logits.topk(2, dim=1).values
    clear = (top[:, 0] - top[:, 1]) > 1e-3 * (logits.max() - logits.min())
    return logits.argmax(1)[0].numpy(), clear[0].numpy()


def agree(net: torch.nn.Module, model: Path) -> None:
    rgb = frame()
    expected, clear = labels_of_torch(net, rgb)
    labels = OnnxEngine(model, 'cpu').run(rgb[None]).labels[0]
    assert clear.mean() > 0.5
    assert len(np.unique(expected)) > 1
    assert (labels[clear] == expected[clear]).all()


def test_torchvision_with_an_auxiliary_head_and_free_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torchvision.models.segmentation.fcn_resnet50(
        weights=None, weights_backbone=None, num_classes=19, aux_loss=True
    ).eval()
    free = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    path = tmp_path / 'fcn.onnx'
    example = (torch.zeros(2, 3, 96, 128),)
    torch.onnx.export(net, example, path, dynamo=True, external_data=False, dynamic_shapes=(free,))
    adapt(path, tmp_path / 'out.onnx', AdaptOptions(CITYSCAPES_19, size=(96, 128)), frame())
    agree(net, tmp_path / 'out.onnx')


def test_segmentation_models_pytorch_of_fixed_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = smp.Linknet('resnet18', encoder_weights=None, classes=11).eval()
    path = export(net, tmp_path / 'linknet.onnx')
    adapt(path, tmp_path / 'out.onnx', AdaptOptions(CAMVID_11), frame())
    agree(net, tmp_path / 'out.onnx')
