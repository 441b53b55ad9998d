-- How TLS went with other domains, counted (RFC 8460 4). day: since 1970, UTC. kind: of the policy, sts, tlsa or
-- no-policy-found. policy: its lines. result: empty where it went well.
CREATE TABLE tls_results (
    day BIGINT NOT NULL,
    domain TEXT NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    source TEXT NOT NULL,
    result TEXT NOT NULL,
    policy TEXT NOT NULL,
    detail TEXT NOT NULL,
    sessions BIGINT NOT NULL,
    PRIMARY KEY (day, domain, kind, host, source, result)
) $clustered
