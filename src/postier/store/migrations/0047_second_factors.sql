-- What proves a person beside the password. kind: 'totp' or 'passkey'. credential: the passkey's id. secret: the key of
-- a TOTP, sealed, or the public key of a passkey. counter: the last step of a TOTP that was used, or the passkey's
-- count of signatures. confirmed: 0 until it has been used once. Times: seconds since 1970, 0 for never.
CREATE TABLE second_factors (
    account_id BIGINT NOT NULL,
    factor_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    credential $bytes NOT NULL,
    secret $bytes NOT NULL,
    counter BIGINT NOT NULL,
    confirmed INTEGER NOT NULL,
    created BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    PRIMARY KEY (account_id, factor_id)
) $clustered;

-- Each opens the account once where all factors are lost. verifier: a hash of what is random.
CREATE TABLE recovery_codes (
    account_id BIGINT NOT NULL,
    verifier $bytes NOT NULL,
    PRIMARY KEY (account_id, verifier)
) $clustered;

-- Who is logged in by the web. verifier: a hash of what the cookie says. stage: 0 while the second factor is awaited,
-- 1 once somebody is in. challenge: what a passkey has to sign, and for what. password_version: of the account, then.
CREATE TABLE web_sessions (
    account_id BIGINT NOT NULL,
    session_id BIGINT NOT NULL,
    verifier $bytes NOT NULL,
    stage INTEGER NOT NULL,
    password_version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    peer TEXT NOT NULL,
    agent TEXT NOT NULL,
    challenge $bytes NOT NULL,
    failures BIGINT NOT NULL,
    PRIMARY KEY (account_id, session_id)
) $clustered;

CREATE UNIQUE INDEX web_sessions_by_verifier ON web_sessions (verifier);
CREATE INDEX web_sessions_by_last_seen ON web_sessions (last_seen)
