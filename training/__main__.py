# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m training fit | evaluate | export``, from any folder."""

import sys

from training.cli import main
from training.memory import keep_freed_memory

if __name__ == '__main__':
    keep_freed_memory()
    sys.exit(main())
