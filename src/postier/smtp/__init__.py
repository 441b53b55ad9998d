"""SMTP (RFC 5321): `wire` has the protocol without I/O, `inbound` receives mail, `outbound` sends it."""
