"""What the C library's allocator is told.

The buffer that each TLS connection reads into is 256 KiB of address space, of which a quiet client fills a
page or two. glibc gives such blocks pages of their own, which cost nothing until they are written, but only
until the first one was freed: from then on it cuts them from the heap, where others have written before. An
idle connection then costs 54 KB instead of 32.
"""

from __future__ import annotations

import ctypes

__all__ = ["LARGE", "keep_large_blocks_apart"]

LARGE = 256 * 1024
"""Octets from which a block has pages of its own, always."""
_M_MMAP_THRESHOLD = -3


def keep_large_blocks_apart() -> bool:
    """For this process and those it forks. False where the C library has no such word."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    done: int = mallopt(_M_MMAP_THRESHOLD, LARGE)
    return done == 1
