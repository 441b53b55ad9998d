-- TLS results know to whose mail they belong: under DANE the policy's domain is that of the host (RFC 8460 1.1).
CREATE TABLE tls_results_of_destinations (
    day BIGINT NOT NULL,
    domain TEXT NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    source TEXT NOT NULL,
    result TEXT NOT NULL,
    destination TEXT NOT NULL,
    policy TEXT NOT NULL,
    detail TEXT NOT NULL,
    sessions BIGINT NOT NULL,
    PRIMARY KEY (day, domain, kind, host, source, result, destination)
) $clustered;

INSERT INTO tls_results_of_destinations
    (day, domain, kind, host, source, result, destination, policy, detail, sessions)
    SELECT day, domain, kind, host, source, result, domain, policy, detail, sessions FROM tls_results;

DROP TABLE tls_results;

ALTER TABLE tls_results_of_destinations RENAME TO tls_results;

-- Messages from outside that fared alike under the DMARC policy of a domain, counted for its report (RFC 9990).
-- day: since 1970, UTC. digest: of policy and facts, which are JSON. accepted: those of them that were neither
-- refused nor set aside.
CREATE TABLE dmarc_results (
    day BIGINT NOT NULL,
    domain TEXT NOT NULL,
    digest $bytes NOT NULL,
    policy TEXT NOT NULL,
    facts TEXT NOT NULL,
    messages BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    PRIMARY KEY (day, domain, digest)
) $clustered;

-- What became of the report of a day to a domain. kind: tls or dmarc. written: seconds since 1970.
CREATE TABLE report_outcomes (
    kind TEXT NOT NULL,
    domain TEXT NOT NULL,
    day BIGINT NOT NULL,
    report_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    destinations BIGINT NOT NULL,
    detail TEXT NOT NULL,
    written BIGINT NOT NULL,
    PRIMARY KEY (day, kind, domain)
) $clustered;

-- Where reports go, an address or a URL, and domains that shall get none. tag: in the return address of reports
-- to it. stopped: when it was, 0 where it is not.
CREATE TABLE report_targets (
    name TEXT NOT NULL PRIMARY KEY,
    tag TEXT NOT NULL UNIQUE,
    sent BIGINT NOT NULL,
    last BIGINT NOT NULL,
    stopped BIGINT NOT NULL,
    reason TEXT NOT NULL
) $clustered
