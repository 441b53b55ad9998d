"""A small Internet on the loopback, and a story that is played on it."""
