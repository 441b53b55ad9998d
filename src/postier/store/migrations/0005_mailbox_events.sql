-- What happened to mailboxes as such, in order. kind: see MailboxEventKind; "forgotten" marks where older rows went.
CREATE TABLE mailbox_events (
    account_id BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    mailbox_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    old_name TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account_id, modseq, position)
) $clustered
