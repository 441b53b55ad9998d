-- Keys of what belongs to somebody begin with account_id: a person's rows lie together.

CREATE TABLE sequences (
    name TEXT NOT NULL PRIMARY KEY,
    next BIGINT NOT NULL
) $clustered;

CREATE TABLE domains (
    name TEXT NOT NULL PRIMARY KEY,
    catch_all BIGINT,
    settings TEXT NOT NULL
) $clustered;

-- modseq: the highest given out. email_next, mailbox_next: the next ids. validity: the highest UIDVALIDITY given out.
CREATE TABLE accounts (
    account_id $id NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    quota BIGINT NOT NULL,
    used BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    enabled INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    email_next BIGINT NOT NULL,
    mailbox_next BIGINT NOT NULL,
    validity BIGINT NOT NULL
);

CREATE TABLE address_targets (
    address TEXT NOT NULL,
    position INTEGER NOT NULL,
    account_id BIGINT,
    forward_to TEXT,
    PRIMARY KEY (address, position)
) $clustered;

CREATE INDEX address_targets_by_account ON address_targets (account_id);

CREATE TABLE login_failures (
    key TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last DOUBLE PRECISION NOT NULL
) $clustered;

-- keywords: names separated by spaces, the first is bit 5. tombstone_floor: tombstones up to this modseq are gone.
CREATE TABLE mailboxes (
    account_id BIGINT NOT NULL,
    mailbox_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    uidnext BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    special_use TEXT NOT NULL,
    selectable INTEGER NOT NULL,
    keywords TEXT NOT NULL,
    messages BIGINT NOT NULL,
    unseen BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    size BIGINT NOT NULL,
    first_recent BIGINT NOT NULL,
    tombstone_floor BIGINT NOT NULL,
    PRIMARY KEY (account_id, mailbox_id)
) $clustered;

CREATE UNIQUE INDEX mailboxes_by_name ON mailboxes (account_id, name);

CREATE TABLE subscriptions (
    account_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
) $clustered;

-- What changes about a message: narrow, so that flags of a whole mailbox are few pages.
CREATE TABLE messages (
    account_id BIGINT NOT NULL,
    mailbox_id BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, uid)
) $clustered;

CREATE INDEX messages_by_modseq ON messages (account_id, mailbox_id, modseq, uid, flags);

-- What never changes about it: wide, written once.
CREATE TABLE facts (
    account_id BIGINT NOT NULL,
    mailbox_id BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    blob_id BIGINT NOT NULL,
    size BIGINT NOT NULL,
    internal_date BIGINT NOT NULL,
    saved_date BIGINT NOT NULL,
    email_id BIGINT NOT NULL,
    thread_id BIGINT NOT NULL,
    sent_date BIGINT NOT NULL,
    envelope $bytes NOT NULL,
    body_structure $bytes NOT NULL,
    parts $bytes NOT NULL,
    header $bytes NOT NULL,
    preview TEXT NOT NULL,
    base_subject TEXT NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, uid)
) $clustered;

-- at: seconds since 1970.
CREATE TABLE tombstones (
    account_id BIGINT NOT NULL,
    mailbox_id BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, modseq, uid)
) $clustered;

-- hash: of a Message-ID, keyed per store.
CREATE TABLE threads (
    account_id BIGINT NOT NULL,
    hash BIGINT NOT NULL,
    thread_id BIGINT NOT NULL,
    PRIMARY KEY (account_id, hash)
) $clustered;

-- refs: how many messages and queue entries need it.
CREATE TABLE blobs (
    blob_id $id NOT NULL PRIMARY KEY,
    pack TEXT NOT NULL,
    position BIGINT NOT NULL,
    length BIGINT NOT NULL,
    size BIGINT NOT NULL,
    refs BIGINT NOT NULL
);

CREATE INDEX blobs_unreferenced ON blobs (blob_id) WHERE refs = 0;

CREATE TABLE queue (
    entry_id $id NOT NULL PRIMARY KEY,
    trace_id TEXT NOT NULL,
    account_id BIGINT,
    reverse_path TEXT NOT NULL,
    destination TEXT NOT NULL,
    blob_id BIGINT NOT NULL,
    arrived BIGINT NOT NULL,
    next_attempt BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    state TEXT NOT NULL,
    body8bit INTEGER NOT NULL,
    smtputf8 INTEGER NOT NULL,
    lease_owner TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    delay_notified INTEGER NOT NULL,
    envid TEXT NOT NULL,
    ret TEXT NOT NULL,
    reason TEXT NOT NULL
);

CREATE INDEX queue_due ON queue (state, next_attempt, destination, lease_until);

CREATE TABLE queue_recipients (
    entry_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    forward_path TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    status TEXT NOT NULL,
    diagnostic TEXT NOT NULL,
    remote TEXT NOT NULL,
    last_attempt BIGINT NOT NULL,
    notify TEXT NOT NULL,
    orcpt TEXT NOT NULL,
    PRIMARY KEY (entry_id, position)
) $clustered
