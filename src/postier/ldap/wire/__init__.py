"""LDAP's bytes, without I/O."""
