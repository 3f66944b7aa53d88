"""``python -m tests.cost``: keep what the façade costs now as the figures of this Python."""

from __future__ import annotations

import json
import sys

from tests.cost.counting import FIGURES, VERSION, counts

known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
known[VERSION] = counts()
FIGURES.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
sys.stdout.write(f"{known[VERSION]}\n")
