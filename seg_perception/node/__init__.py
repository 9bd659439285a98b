# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
