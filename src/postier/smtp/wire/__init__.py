"""SMTP as bytes and events: no sockets, no clock, no settings, no store.

Server: `server` (the core), `commands` (the table of verbs), `params`, `paths`, `data`, `replies`, `events`.
Client: `client` and the files beside it that begin with `client_`.
"""
