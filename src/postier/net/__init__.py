"""Sockets, TLS, limits and time-outs, once for every protocol."""
