"""Postier: a complete business mail system in one program."""

__version__ = "0.1.0"
