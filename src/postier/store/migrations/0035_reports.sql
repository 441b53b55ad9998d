-- DMARC aggregate reports of others about our domains. began, ended, received: seconds since 1970. policy, errors:
-- JSON. What one of them says about a domain counts once, however often it comes.
CREATE TABLE dmarc_reports (
    report $id NOT NULL PRIMARY KEY,
    org TEXT NOT NULL,
    report_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    began BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    received BIGINT NOT NULL,
    email TEXT NOT NULL,
    contact TEXT NOT NULL,
    policy TEXT NOT NULL,
    errors TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    UNIQUE (org, report_id, domain)
);

CREATE INDEX dmarc_reports_by_domain ON dmarc_reports (domain, ended);

-- auth: JSON of [[[domain, selector, result, human], ...], [[domain, scope, result, human], ...],
-- [[type, comment], ...]]: signatures, SPF, and why the reporter did otherwise than the policy says.
CREATE TABLE dmarc_rows (
    report BIGINT NOT NULL,
    number BIGINT NOT NULL,
    source TEXT NOT NULL,
    messages BIGINT NOT NULL,
    disposition TEXT NOT NULL,
    dkim TEXT NOT NULL,
    spf TEXT NOT NULL,
    header_from TEXT NOT NULL,
    envelope_from TEXT NOT NULL,
    envelope_to TEXT NOT NULL,
    auth TEXT NOT NULL,
    PRIMARY KEY (report, number)
) $clustered;

-- Reports on single messages. digest: of what they say. fields: JSON of [[name, value], ...].
CREATE TABLE failure_reports (
    report $id NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    domain TEXT NOT NULL,
    source TEXT NOT NULL,
    arrived BIGINT NOT NULL,
    received BIGINT NOT NULL,
    feedback_type TEXT NOT NULL,
    auth_failure TEXT NOT NULL,
    fields TEXT NOT NULL,
    headers TEXT NOT NULL
);

-- Reports of others about TLS with our servers.
CREATE TABLE tls_reports (
    report $id NOT NULL PRIMARY KEY,
    org TEXT NOT NULL,
    report_id TEXT NOT NULL,
    began BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    received BIGINT NOT NULL,
    contact TEXT NOT NULL,
    UNIQUE (org, report_id)
);

-- failures: JSON of [[result, sessions, sending_ip, mx_host, receiving_ip, reason, information], ...].
CREATE TABLE tls_report_policies (
    report BIGINT NOT NULL,
    number BIGINT NOT NULL,
    domain TEXT NOT NULL,
    kind TEXT NOT NULL,
    successes BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    failures TEXT NOT NULL,
    PRIMARY KEY (report, number)
) $clustered;

-- What came as a report and could not be read. origin: the file, or who sent it.
CREATE TABLE unreadable_reports (
    report $id NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    received BIGINT NOT NULL,
    content $bytes NOT NULL
)
