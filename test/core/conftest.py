# Copyright 2026 The seg_perception authors
# SPDX-License-Identifier: Apache-2.0
from hypothesis import settings

# No deadline: a busy machine is no failure. Few examples: the scenes are small and varied.
settings.register_profile('core', max_examples=50, deadline=None)
settings.load_profile('core')
