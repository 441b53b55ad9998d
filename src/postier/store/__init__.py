"""Where everything that must not be lost is written: the seam and its engines."""
