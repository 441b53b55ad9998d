-- A message that was deleted over POP3 and rests. validity, origin: the UIDVALIDITY of the INBOX it was in, and
-- its UID there: what its unique-id is made of. mailbox_id, uid: where it lies now. device: who deleted it first,
-- 0 for the account's own password, -1 for nobody: then no device is shown it. until: seconds since 1970.
CREATE TABLE pop3_resting (
    account_id BIGINT NOT NULL,
    validity BIGINT NOT NULL,
    origin BIGINT NOT NULL,
    mailbox_id BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    device BIGINT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (account_id, validity, origin)
) $clustered;

CREATE INDEX pop3_resting_until ON pop3_resting (until);

-- Which other devices have deleted it since.
CREATE TABLE pop3_deleted (
    account_id BIGINT NOT NULL,
    validity BIGINT NOT NULL,
    origin BIGINT NOT NULL,
    device BIGINT NOT NULL,
    PRIMARY KEY (account_id, validity, origin, device)
) $clustered;

-- What is set for an account alone; NULL: as the settings have it. expire, login_delay: seconds, 0 for never and
-- none. mailbox_id: where its messages rest, 0 as long as none has.
CREATE TABLE pop3_rules (
    account_id BIGINT NOT NULL PRIMARY KEY,
    rest INTEGER,
    expire BIGINT,
    login_delay BIGINT,
    mailbox_id BIGINT NOT NULL
) $clustered;

-- When a device logged in last, where there is a delay between logins; seconds since 1970.
CREATE TABLE pop3_logins (
    account_id BIGINT NOT NULL,
    device BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (account_id, device)
) $clustered;

-- The sizes of a whole mailbox in a few pages: STAT, LIST and RFC822.SIZE read no wide rows.
CREATE INDEX facts_sizes ON facts (account_id, mailbox_id, uid, size)
