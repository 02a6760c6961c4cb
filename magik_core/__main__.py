"""`python -m magik_core` is `magik`."""

from __future__ import annotations

import sys

from magik_core.cli import main

sys.exit(main())
