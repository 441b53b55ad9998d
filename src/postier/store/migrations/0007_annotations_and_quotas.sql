-- Annotations of a mailbox; mailbox 0 is the account itself, account 0 the whole server. viewer: whose private entry
-- it is, 0 for one that is shared. entry: in lower case, without its scope. value: NULL once it was removed.
CREATE TABLE annotations (
    account_id BIGINT NOT NULL,
    mailbox_id BIGINT NOT NULL,
    viewer BIGINT NOT NULL,
    entry TEXT NOT NULL,
    value $bytes,
    modseq BIGINT NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, viewer, entry)
) $clustered;

CREATE INDEX annotations_by_viewer ON annotations (viewer, account_id);

CREATE INDEX annotations_by_modseq ON annotations (account_id, modseq);

CREATE INDEX mailboxes_by_use ON mailboxes (account_id, special_use) WHERE special_use <> '';

ALTER TABLE accounts ADD COLUMN message_quota BIGINT NOT NULL DEFAULT 0;

ALTER TABLE accounts ADD COLUMN mailbox_quota BIGINT NOT NULL DEFAULT 0;

ALTER TABLE accounts ADD COLUMN administrator INTEGER NOT NULL DEFAULT 0
