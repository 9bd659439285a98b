# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as Cityscapes

from seg_perception.core.classes import BDD100K_DRIVABLE_3, CAMVID_11, CITYSCAPES_19
from seg_perception.core.errors import ClassTableError, ParameterError
from training.data.sample import Sample
from training.errors import DatasetError
from training.evaluate.submission import open_writer

LABELS = np.array([[*range(19), 255]], np.uint8)


def sample(name):
    return Sample(name, np.zeros((1, 20, 3), np.uint8), LABELS)


def test_cityscapes_gets_label_ids_under_names_that_its_evaluation_finds(tmp_path):
    write = open_writer('cityscapes', tmp_path, CITYSCAPES_19)
    write(sample('frankfurt/frankfurt_000000_000576'), LABELS)
    args = SimpleNamespace(predictionPath=str(tmp_path), predictionWalk=None)
    truth = 'gtFine/val/frankfurt/frankfurt_000000_000576_gtFine_labelIds.png'
    found = cv2.imread(Cityscapes.getPrediction(args, truth), cv2.IMREAD_UNCHANGED)
    assert found.shape == (1, 20)
    names = [Cityscapes.id2label[int(value)].name for value in found[0]]
    assert names == [*CITYSCAPES_19.names, 'unlabeled']


def test_bdd100k_gets_train_ids_under_the_name_of_the_image(tmp_path):
    for classes in (CITYSCAPES_19, BDD100K_DRIVABLE_3):
        open_writer('bdd100k', tmp_path, classes)(sample('7dd9ef45-f197db95'), LABELS)
        (file,) = tmp_path.iterdir()
        assert file.name == '7dd9ef45-f197db95.png'
        np.testing.assert_array_equal(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), LABELS)


def test_name_that_the_server_would_not_find(tmp_path):
    write = open_writer('cityscapes', tmp_path, CITYSCAPES_19)
    with pytest.raises(DatasetError, match="server: got '0001TP_006690', expected <city>_<6"):
        write(sample('0001TP_006690'), LABELS)


def test_other_classes(tmp_path):
    with pytest.raises(
        ClassTableError, match=r'to cityscapes: got camvid_11 .*sky.* cityscapes_19'
    ):
        open_writer('cityscapes', tmp_path, CAMVID_11)
    with pytest.raises(ClassTableError, match=r'to bdd100k: .*_19 or bdd100k_drivable_3'):
        open_writer('bdd100k', tmp_path, CAMVID_11)


def test_unknown_server(tmp_path):
    with pytest.raises(ParameterError, match="'cityscape', expected cityscapes, bdd100k"):
        open_writer('cityscape', tmp_path, CITYSCAPES_19)
