-- An entry of a mailbox's access control list: `letters` given to an account (0: to every account), or where
-- `negative` is 1 taken from it.
CREATE TABLE rights (
    account_id BIGINT NOT NULL,
    mailbox_id BIGINT NOT NULL,
    grantee BIGINT NOT NULL,
    negative INTEGER NOT NULL,
    letters TEXT NOT NULL,
    PRIMARY KEY (account_id, mailbox_id, grantee, negative)
) $clustered;

CREATE INDEX rights_by_grantee ON rights (grantee, account_id, mailbox_id);

-- These names now belong to the mailboxes of others.
UPDATE mailboxes SET name = 'My ' || name
    WHERE name IN ('Shared', 'Other Users') OR (name > 'Shared/' AND name < 'Shared0')
    OR (name > 'Other Users/' AND name < 'Other Users0');

UPDATE subscriptions SET name = 'My ' || name
    WHERE name IN ('Shared', 'Other Users') OR (name > 'Shared/' AND name < 'Shared0')
    OR (name > 'Other Users/' AND name < 'Other Users0')
