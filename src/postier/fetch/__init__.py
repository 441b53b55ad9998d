"""Getting one small document over HTTPS from a host that may be hostile."""
