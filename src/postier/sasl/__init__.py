"""SASL mechanisms (RFC 4422): pure exchanges that SMTP, IMAP, POP3 and ManageSieve share."""
