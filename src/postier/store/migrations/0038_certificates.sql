-- Certificates that the server shows beside the one of its settings. name: the first of names, A-labels in
-- lower case; names: what it is for, separated by spaces. chain: PEM, ours first. key: PEM. origin: import or
-- acme. not_after, changed: seconds since 1970. The meta row 'certificates' counts the changes.
CREATE TABLE certificates (
    name TEXT NOT NULL PRIMARY KEY,
    names TEXT NOT NULL,
    chain TEXT NOT NULL,
    key TEXT NOT NULL,
    origin TEXT NOT NULL,
    not_after BIGINT NOT NULL,
    changed BIGINT NOT NULL
)
