"""LDAP as a client: what a directory elsewhere says about people, and whether a password is right."""
