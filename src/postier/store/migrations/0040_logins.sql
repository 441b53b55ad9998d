-- password_version: grows when a password is set anew, not when its hash is. app_passwords_only,
-- second_factor: the password alone opens no mailbox to mail programs.
ALTER TABLE accounts ADD COLUMN password_version BIGINT NOT NULL DEFAULT 0;

ALTER TABLE accounts ADD COLUMN app_passwords_only INTEGER NOT NULL DEFAULT 0;

ALTER TABLE accounts ADD COLUMN second_factor INTEGER NOT NULL DEFAULT 0;

-- Passwords for one device each. verifier: a hash of what is random. protocols, networks: separated by spaces, ''
-- for any. created, expires (0: never), last_used (0: never): seconds since 1970.
CREATE TABLE app_passwords (
    account_id BIGINT NOT NULL,
    app_password_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    verifier $bytes NOT NULL,
    protocols TEXT NOT NULL,
    networks TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    last_peer TEXT NOT NULL,
    PRIMARY KEY (account_id, app_password_id)
) $clustered;

CREATE UNIQUE INDEX app_passwords_by_verifier ON app_passwords (account_id, verifier);

-- One salt for all passwords of an account, so that the server can tell which of them a proof was made with.
CREATE TABLE scram_salts (
    account_id BIGINT NOT NULL PRIMARY KEY,
    salt $bytes NOT NULL,
    iterations BIGINT NOT NULL
) $clustered;

-- app_password_id: 0 for the account's own password. form: of the ways to write the same password.
CREATE TABLE scram_keys (
    account_id BIGINT NOT NULL,
    app_password_id BIGINT NOT NULL,
    form BIGINT NOT NULL,
    stored_key $bytes NOT NULL,
    server_key $bytes NOT NULL,
    PRIMARY KEY (account_id, app_password_id, form)
) $clustered;

-- From where somebody logged in: a network, and when last (seconds since 1970).
CREATE TABLE known_places (
    account_id BIGINT NOT NULL,
    network TEXT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (account_id, network)
) $clustered
