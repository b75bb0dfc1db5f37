"""Whole numbers: how many blocks hold so many items."""

from __future__ import annotations


def blocks(count: int, size: int) -> int:
    """How many blocks of `size` hold `count` items: count / size, rounded up.

    Example:
        >>> blocks(7, 3)
        3
    """
    return (count + size - 1) // size
