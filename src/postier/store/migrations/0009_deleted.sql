-- The messages that are \Deleted (bit 3): EXPUNGE finds them however many others there are.
CREATE INDEX messages_deleted ON messages (account_id, mailbox_id, uid) WHERE flags & 8 <> 0
