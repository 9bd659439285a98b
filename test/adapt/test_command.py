# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
import sys

import cv2
import numpy as np

from adapt.networks import network
from seg_perception.cli import main


def test_adapt_then_inspect(tmp_path, capsys):
    path = network(tmp_path / 'net.onnx', np.eye(11, 3))
    out = tmp_path / 'made' / 'out.onnx'
    words = ['adapt', str(path), '--classes', 'camvid_11', '--out', str(out), '--size', '128x64']
    assert main([*words, '--name', 'mine', '--licence', 'MIT']) == 0
    said = capsys.readouterr().out
    for part in ("'x' float (N, 3, H, W), rgb, 64 x 128 (free", 'classes      camvid_11, 11',
                 'check        8192 labels as the network has them'):  # fmt: skip
        assert part in said
    assert cv2.imread(str(out.with_name('out_check.jpg'))).shape == (64, 128, 3)
    assert main(['inspect', str(out)]) == 0
    said = capsys.readouterr().out
    assert 'mine' in said and 'MIT' in said


def test_one_line_for_what_is_wrong(tmp_path, capsys):
    path = network(tmp_path / 'net.onnx', np.eye(11, 3))
    out = str(tmp_path / 'out.onnx')
    assert main(['adapt', str(path), '--classes', 'camvid_11', '--out', out, '--image', 'no.jpg'])
    assert capsys.readouterr().err == (
        'seg-perception: error: image no.jpg: got no file, expected a JPEG or PNG image.\n'
    )


def test_without_onnx_it_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    monkeypatch.setattr('seg_perception.cli._is_missing', lambda name: name == 'onnx')
    words = ['adapt', 'net.onnx', '--classes', 'camvid_11', '--out', str(tmp_path / 'out.onnx')]
    assert main(words) == 2
    assert 'Run: pip install onnx' in capsys.readouterr().err
