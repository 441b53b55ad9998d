"""Telling the other workers that something changed."""
