"""POP3 without I/O: bytes to events, replies to bytes."""
