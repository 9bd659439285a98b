# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores by domain: one row each, the mean over them, and what each class is mistaken for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from seg_perception.core.classes import ClassTable
from training.data.domains import Domain
from training.evaluate.scores import Predictor, Scores, score

SHOWN = ('mean_iou', 'pixel_accuracy', 'calibration_error')


@dataclass(frozen=True)
class DomainScores:
    """Scores of a model on each domain. The mean counts every domain the same."""

    domains: tuple[Domain, ...]
    rows: tuple[Scores, ...]

    def means(self) -> dict[str, float]:
        """The scores of ``SHOWN``, averaged over the domains."""
        means = [row.means('skip') for row in self.rows]
        return {key: float(np.nanmean([row[key] for row in means])) for key in SHOWN}

    def by_domain(self) -> dict[str, dict[str, float]]:
        """The scores of ``SHOWN`` and the number of frames of each domain."""
        return {
            domain.name: {'frames': row.frames} | {key: row.means('skip')[key] for key in SHOWN}
            for domain, row in zip(self.domains, self.rows, strict=True)
        }

    def classes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Domain, and IoU, recall and most frequent mistake of each class that it has."""
        for domain, row in zip(self.domains, self.rows, strict=True):
            for found in class_rows(row, domain):
                yield domain.name, found

    def record(self) -> dict[str, Any]:
        """One model of domains.json."""
        domains: dict[str, Any] = {key: dict(row) for key, row in self.by_domain().items()}
        for name, row in self.classes():
            domains[name].setdefault('classes', {})[row['class']] = row
        return {'mean': self.means(), 'domains': domains}

    def text(self, title: str) -> str:
        """A row a domain, the mean row, and a line for each class of each domain."""
        wide = max(len(title), *(len(domain.name) for domain in self.domains)) + 2
        heads = ''.join(f'{key.replace("_", " "):>19}' for key in SHOWN)
        lines = [f'{title:<{wide}}{"frames":>8}{heads}']
        rows = self.by_domain() | {'mean': {'frames': ''} | self.means()}
        for name, row in rows.items():
            lines.append(
                f'{name:<{wide}}{row["frames"]:>8}' + ''.join(f'{row[k]:>19.4f}' for k in SHOWN)
            )
        for name, row in self.classes():
            mistaken = f', {row["taken_for_share"]:.3f} called {row["taken_for"]}'
            lines.append(
                f'{name:<{wide}}{row["class"]:<18}IoU {row["iou"]:.3f}, '
                f'recall {row["recall"]:.3f}{mistaken if row["taken_for_share"] >= 0.01 else ""}'
            )
        return '\n'.join(lines)


def score_domains(
    predict: Predictor, classes: ClassTable, domains: Sequence[Domain]
) -> DomainScores:
    """Scores of a predictor of some classes on each domain."""
    rows = [
        score(_mapped(predict, domain.lut(classes)), domain.frames, task=domain.name)
        for domain in domains
    ]
    return DomainScores(tuple(domains), tuple(rows))


def _mapped(predict: Predictor, lut: np.ndarray) -> Predictor:
    def predict_mapped(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels, confidence = predict(rgb)
        return cv2.LUT(labels, lut), confidence

    return predict_mapped


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
