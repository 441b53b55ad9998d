-- Mail to the addresses for reports: kept with the message that was accepted, read soon after. attempts: how often
-- reading it was begun.
CREATE TABLE report_mails (
    mail $id NOT NULL PRIMARY KEY,
    blob_id BIGINT NOT NULL,
    sender TEXT NOT NULL,
    received BIGINT NOT NULL,
    attempts BIGINT NOT NULL
)
