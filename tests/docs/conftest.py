"""The tests of this folder import the runner and the generated parts, which lie beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
