"""What IMAP commands mean: one coroutine for each connection, one file for each group of commands."""
