-- Certificates by ACME (RFC 8555). What is read as a whole is one JSON text; keys (PEM) lie beside it, to be
-- left out where they are not needed.
CREATE TABLE acme_accounts (
    directory TEXT NOT NULL PRIMARY KEY,
    facts TEXT NOT NULL,
    key TEXT NOT NULL
) $clustered;

-- subject: the server's name, or a domain. key: of the order under way; next_key: announced by TLSA.
CREATE TABLE renewals (
    subject TEXT NOT NULL PRIMARY KEY,
    facts TEXT NOT NULL,
    key TEXT NOT NULL,
    next_key TEXT NOT NULL
) $clustered;

-- What authorities are to be shown. kind: http-01, tls-alpn-01, dns-01. expires: seconds since 1970.
CREATE TABLE acme_challenges (
    kind TEXT NOT NULL,
    place TEXT NOT NULL,
    proof TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (kind, place, proof)
) $clustered
