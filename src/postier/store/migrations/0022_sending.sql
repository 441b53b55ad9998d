-- What accounts sent on the last day they sent anything, and what they may send a day. day: since 1970, UTC.
-- warned: of that day, the percentage the administrator was told of. The limits: NULL for the usual ones.
CREATE TABLE sending (
    account_id BIGINT NOT NULL PRIMARY KEY,
    day BIGINT NOT NULL,
    recipients BIGINT NOT NULL,
    strangers BIGINT NOT NULL,
    warned SMALLINT NOT NULL,
    max_recipients BIGINT,
    max_strangers BIGINT
) $clustered;

-- Whom an account has written to: a hash of the address.
CREATE TABLE correspondents (
    account_id BIGINT NOT NULL,
    address BIGINT NOT NULL,
    PRIMARY KEY (account_id, address)
) $clustered;

-- Whose addresses an account may write as beside its own: an address, or "*@domain".
CREATE TABLE send_as (
    account_id BIGINT NOT NULL,
    pattern TEXT NOT NULL,
    PRIMARY KEY (account_id, pattern)
) $clustered;

CREATE INDEX send_as_pattern ON send_as (pattern)
