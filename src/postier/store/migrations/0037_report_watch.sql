-- What is known of a domain by its reports, up to the report numbered mark. known: JSON.
CREATE TABLE report_watch (
    domain TEXT NOT NULL PRIMARY KEY,
    mark BIGINT NOT NULL,
    known TEXT NOT NULL
);

-- What was new about a domain, told once. at: seconds since 1970. facts: JSON of [[name, value], ...].
CREATE TABLE report_alerts (
    alert $id NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    facts TEXT NOT NULL
)
