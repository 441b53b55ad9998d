"""What an administrator can set: one table, read from postier.toml."""
