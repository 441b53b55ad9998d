"""Message bytes at rest, in packs."""
