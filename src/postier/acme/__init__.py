"""Certificates by ACME (RFC 8555): asked for, proved, fetched, renewed."""
