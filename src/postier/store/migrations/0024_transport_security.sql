-- Policies of other domains (RFC 8461), as fetched: they bind until they expire, whatever the network says
-- meanwhile. policy: the document.
CREATE TABLE sts_policies (
    domain TEXT NOT NULL PRIMARY KEY,
    policy_id TEXT NOT NULL,
    fetched BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    policy TEXT NOT NULL
) $clustered;

-- Domains whose mail waits rather than go without TLS and a certificate. name: that it must be for, empty for
-- the host's own. authorities: path of a PEM file, empty for the system's.
CREATE TABLE tls_contracts (
    domain TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    authorities TEXT NOT NULL
) $clustered
