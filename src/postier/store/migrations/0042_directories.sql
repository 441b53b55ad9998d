-- Directories elsewhere (LDAP) that people come from. What one is, is read as a whole, so it is one JSON text;
-- the password lies beside it. at, succeeded, words: how the last comparison went.
CREATE TABLE ldap_directories (
    name TEXT NOT NULL PRIMARY KEY,
    plan TEXT NOT NULL,
    password TEXT NOT NULL,
    at BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    words TEXT NOT NULL
) $clustered;

-- Which account is which entry. addresses: separated by spaces.
CREATE TABLE directory_people (
    account_id BIGINT NOT NULL PRIMARY KEY,
    directory TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    dn TEXT NOT NULL,
    addresses TEXT NOT NULL,
    present INTEGER NOT NULL,
    UNIQUE (directory, entry_id)
);

-- Rights that a group of the directory gives: taken back with the membership, and only these.
CREATE TABLE directory_members (
    owner_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    directory TEXT NOT NULL,
    letters TEXT NOT NULL,
    send_as INTEGER NOT NULL,
    PRIMARY KEY (owner_id, account_id)
) $clustered;

CREATE TABLE directory_aliases (
    address TEXT NOT NULL PRIMARY KEY,
    directory TEXT NOT NULL
) $clustered
