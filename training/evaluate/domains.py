# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores by domain: one row each, the mean over them, and what each class is mistaken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable
from training.data.domains import Domain
from training.evaluate.scores import Predictor, Scores, score

Row = dict[str, float]


def score_domains(
    predict: Predictor, classes: ClassTable, domains: Sequence[Domain]
) -> list[Scores]:
    """Scores of a predictor of some classes on each domain."""
    return [
        score(_mapped(predict, domain.lut(classes)), domain.frames, task=domain.name)
        for domain in domains
    ]


def _mapped(predict: Predictor, lut: np.ndarray) -> Predictor:
    def predict_mapped(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels, confidence = predict(rgb)
        return cv2.LUT(labels, lut), confidence

    return predict_mapped


def domain_text(named: Mapping[str, Sequence[Scores]], domains: Sequence[Domain]) -> str:
    """
    A block a model: a row a domain, the mean row, and a line for each class of each domain.

    The mean counts every domain the same, however many frames it has.
    """
    return '\n\n'.join(_block(name, rows, domains) for name, rows in named.items())


def domain_means(rows: Sequence[Scores]) -> Row:
    """Scores averaged over the domains."""
    means = [scores.means('skip') for scores in rows]
    return {key: float(np.nanmean([row[key] for row in means])) for key in SHOWN}


def domain_record(rows: Sequence[Scores], domains: Sequence[Domain]) -> dict[str, Any]:
    """One model of domains.json."""
    by_domain = {
        domain.name: {
            'frames': scores.frames,
            **{key: scores.means('skip')[key] for key in SHOWN},
            'classes': {row['class']: row for row in class_rows(scores, domain)},
        }
        for scores, domain in zip(rows, domains, strict=True)
    }
    return {'mean': domain_means(rows), 'domains': by_domain}


SHOWN = ('mean_iou', 'pixel_accuracy', 'calibration_error')


def _block(name: str, rows: Sequence[Scores], domains: Sequence[Domain]) -> str:
    wide = max(len(domain.name) for domain in domains) + 2
    heads = ''.join(f'{key.replace("_", " "):>19}' for key in SHOWN)
    lines = [f'{name:<{wide}}{"frames":>8}{heads}']
    for domain, scores in zip(domains, rows, strict=True):
        means = scores.means('skip')
        lines.append(f'{domain.name:<{wide}}{scores.frames:>8}' + _cells(means))
    lines += [f'{"mean":<{wide}}{"":>8}' + _cells(domain_means(rows)), '']
    for domain, scores in zip(domains, rows, strict=True):
        for row in class_rows(scores, domain):
            mistaken = f', {row["taken_for_share"]:.3f} called {row["taken_for"]}'
            lines.append(
                f'{domain.name:<{wide}}{row["class"]:<18}IoU {row["iou"]:.3f}, '
                f'recall {row["recall"]:.3f}{mistaken if row["taken_for_share"] >= 0.01 else ""}'
            )
    return '\n'.join(lines)


def _cells(means: Mapping[str, float]) -> str:
    return ''.join(f'{means[key]:>19.4f}' for key in SHOWN)


def class_rows(scores: Scores, domain: Domain) -> list[dict[str, Any]]:
    """IoU, recall and the most frequent mistake of each class that the domain has pixels of."""
    matrix, names = scores.matrix, [*domain.frames.classes.names, 'nothing of these']
    iou, recall = matrix.iou('skip'), matrix.recall()
    rows = []
    for label in np.flatnonzero(matrix.truth_pixels):
        taken = np.append(matrix.counts[label], matrix.missed[label]).astype(float)
        taken[label] = 0
        worst = int(taken.argmax())
        rows.append(
            {
                'class': names[label],
                'iou': float(iou[label]),
                'recall': float(recall[label]),
                'taken_for': names[worst],
                'taken_for_share': float(taken[worst] / matrix.truth_pixels[label]),
            }
        )
    return rows
