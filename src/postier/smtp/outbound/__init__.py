"""Mail that leaves us: where it goes, over which connection, and what the other side said."""
