"""IMAP4 (RFC 3501, RFC 9051): the wire without I/O, and the session that gives it meaning."""
