"""How fast askpix's BLIP is beside what people would use instead: run `python -m bench.blip`, or `make bench`."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Random models, photographs and what these need are drawn by the tests' own modules.
for folder in (ROOT / "demo", ROOT / "tests"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
