# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Studies: the variants of one claim trained under the same budget, compared, and written down."""
