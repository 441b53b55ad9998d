from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, re
from postier.base.heap import LARGE, keep_large_blocks_apart

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def resident():
    return 1024 * int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1])

def written(size):
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    return block

TOLD
libc.free(written(8 * LARGE))  # from here on glibc would cut what is as large from the heap
blocks = [written(LARGE) for _ in range(32)]
last = written(LARGE // 2)
before = resident()
for block in blocks:
    libc.free(block)
print(before - resident() > 24 * LARGE)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed")
@pytest.mark.parametrize(("told", "is_given_back"), [("keep_large_blocks_apart()", "True"), ("", "False")])
def test_large_blocks_that_are_free_are_the_systems_again(told: str, is_given_back: str) -> None:
    program = PROGRAM.replace("TOLD", told)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == is_given_back
