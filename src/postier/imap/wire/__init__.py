"""IMAP's grammar, framing and responses, without I/O."""
