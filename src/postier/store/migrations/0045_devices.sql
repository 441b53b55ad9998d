-- The device ledger. identity: what a device is known by, made of evidence (accounts/devices.py). app_password:
-- the one it uses, 0 for none. protocols: a bit for each. Times: seconds since 1970. Octets: content by kind, and
-- the same on the wire, above TLS and below compression. last_trace: of the last message it sent.
CREATE TABLE devices (
    account_id BIGINT NOT NULL,
    device_id BIGINT NOT NULL,
    identity TEXT NOT NULL,
    app_password BIGINT NOT NULL,
    protocols INTEGER NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    vendor TEXT NOT NULL,
    os TEXT NOT NULL,
    tls TEXT NOT NULL,
    peer TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    last_sent BIGINT NOT NULL,
    last_trace TEXT NOT NULL,
    listing BIGINT NOT NULL,
    bodies BIGINT NOT NULL,
    attachments BIGINT NOT NULL,
    commands BIGINT NOT NULL,
    uploads BIGINT NOT NULL,
    wire_listing BIGINT NOT NULL,
    wire_bodies BIGINT NOT NULL,
    wire_attachments BIGINT NOT NULL,
    wire_commands BIGINT NOT NULL,
    wire_uploads BIGINT NOT NULL,
    sessions BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    deleted_octets BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    PRIMARY KEY (account_id, device_id)
) $clustered;

CREATE UNIQUE INDEX devices_by_identity ON devices (account_id, identity);

-- The same counts of one day (since 1970, UTC).
CREATE TABLE device_days (
    account_id BIGINT NOT NULL,
    device_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    listing BIGINT NOT NULL,
    bodies BIGINT NOT NULL,
    attachments BIGINT NOT NULL,
    commands BIGINT NOT NULL,
    uploads BIGINT NOT NULL,
    wire_listing BIGINT NOT NULL,
    wire_bodies BIGINT NOT NULL,
    wire_attachments BIGINT NOT NULL,
    wire_commands BIGINT NOT NULL,
    wire_uploads BIGINT NOT NULL,
    sessions BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    deleted_octets BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    PRIMARY KEY (account_id, device_id, day)
) $clustered;

-- How far a device has come in a mailbox of the account owner_id. told_uid: EXISTS counted it. listed_low,
-- listed_high: UIDs it was shown a line of. fetched_high: it has the bytes. 0 for none.
CREATE TABLE device_points (
    account_id BIGINT NOT NULL,
    device_id BIGINT NOT NULL,
    owner_id BIGINT NOT NULL,
    mailbox_id BIGINT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    told_modseq BIGINT NOT NULL,
    told_uid BIGINT NOT NULL,
    listed_low BIGINT NOT NULL,
    listed_high BIGINT NOT NULL,
    fetched_high BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account_id, device_id, owner_id, mailbox_id)
) $clustered
