# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training fit | evaluate | export``, run from the repository root."""

import sys

from training.cli import main
from training.memory import keep_freed_memory

keep_freed_memory()
sys.exit(main())
