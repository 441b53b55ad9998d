-- What happened to accounts and to the server: logins, changes of rights, administration. Rows outlive their account.
-- account_id: whom it concerns, 0 for the server as a whole; name: what that account was called then. at, last: seconds
-- since 1970, of the first and the last of `times` that are told together. mark: what is told together has the
-- same, other rows have none. facts: JSON of {name: text}.
CREATE TABLE audit (
    account_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    entry $id NOT NULL,
    last BIGINT NOT NULL,
    times BIGINT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    via TEXT NOT NULL,
    actor TEXT NOT NULL,
    facts TEXT NOT NULL,
    mark TEXT,
    PRIMARY KEY (account_id, at, entry)
) $clustered;

CREATE UNIQUE INDEX audit_by_mark ON audit (account_id, mark);
CREATE INDEX audit_by_time ON audit (at, entry);
CREATE INDEX audit_by_name ON audit (name, at, entry);
CREATE INDEX audit_by_kind ON audit (kind, at, entry)
