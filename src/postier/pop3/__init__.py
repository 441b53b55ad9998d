"""POP3 (RFC 1939): the maildrop of an account is its INBOX, as it stands at login."""
