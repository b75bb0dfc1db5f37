"""The table of fitting parts is read without importing a part."""

from __future__ import annotations

import subprocess
import sys


def test_the_table_of_fits_is_read_without_torch():
    code = (
        "import sys; from maquette.config.fits import fitting_parts; "
        "assert fitting_parts('geometry', 'gaussians')['renderer'] == ['splat']; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
