# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation: one HTML file that needs nothing else."""

from seg_perception.report.page import write_report

__all__ = ['write_report']
