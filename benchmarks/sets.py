"""Where the evaluation sets are; docs/how-to/benchmarks.md says what they hold."""

from __future__ import annotations

import os
from pathlib import Path

from results import ROOT

EVAL = Path(os.environ.get("GLASSES_SIGNALS_EVAL", ROOT.parent / "shared" / "eval"))
