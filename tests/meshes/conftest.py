import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "export")]

from analytic import subject, surface, textured  # noqa: F401  fixtures
