-- The messages that are \Deleted (bit 3): EXPUNGE finds them however many others there are. With flags in it
-- the index answers alone, and is chosen.
CREATE INDEX messages_deleted ON messages (account_id, mailbox_id, uid, flags) WHERE flags & 8 <> 0
