"""Lock files pin by hash and name no registry: each machine asks the one that it is configured for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sorted((ROOT / "requirements").glob("*.lock"))
NODE = ROOT / "tests" / "interop" / "node" / "package-lock.json"


@pytest.mark.parametrize("file", [*PYTHON, NODE], ids=lambda file: file.name)
def test_no_address_stands_in_a_lock_file(file: Path) -> None:
    assert "://" not in file.read_text()


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: file.name)
def test_every_distribution_has_hashes(file: Path) -> None:
    pins = [line for line in file.read_text().splitlines() if "==" in line]
    assert pins
    assert all(line.endswith("\\") for line in pins)


def test_every_node_package_has_its_digest() -> None:
    packages = json.loads(NODE.read_text())["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)
