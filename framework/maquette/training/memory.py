"""Keeping freed memory: each step allocates what the one before it freed, and the system need not hear of it."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # names and numbers of mallopt(3)
LARGEST = 2**30  # bytes; blocks up to this size are kept


def keep_freed_memory() -> bool:
    """Have glibc keep freed blocks instead of handing them back; says whether it does. Elsewhere nothing happens.

    By default every tensor above 128 kB is mapped anew, and the system clears its pages, at every step: 120 steps of
    DreamFusion on two cores ran at 6.7 a second so, and at 8.9 with the blocks kept.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
