"""Where the standard test vectors lie. They are data of others and are not part of this repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["vectors_dir"]

_REPOSITORY = Path(__file__).resolve().parents[3]


def vectors_dir(name: str) -> Path:
    """The folder `name` of the vectors: below $POSTIER_VECTORS, else beside the checkout.

    Skips the calling test (or module) with one line where it is not there.
    """
    root = Path(os.environ.get("POSTIER_VECTORS") or _REPOSITORY.parent / "shared" / "vectors")
    if not (root / name).is_dir():
        pytest.skip(f"no test vectors {name!r}: set POSTIER_VECTORS", allow_module_level=True)
    return root / name
