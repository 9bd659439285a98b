# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training fit | evaluate | export``, run from the repository root."""

import sys

from training.cli import main

sys.exit(main())
