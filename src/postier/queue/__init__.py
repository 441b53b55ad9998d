"""Outgoing mail: its entries, their states, the worker that moves them."""
