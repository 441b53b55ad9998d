-- How the bytes must travel (RFC 6152, 3030), whether only over TLS (RFC 8689), when a message may go at the
-- earliest (RFC 4865), and the language its sender is told in.
ALTER TABLE queue ADD COLUMN body TEXT NOT NULL DEFAULT '7BIT';
ALTER TABLE queue ADD COLUMN requiretls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN release_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN language TEXT NOT NULL DEFAULT '';
ALTER TABLE queue ADD COLUMN faults INTEGER NOT NULL DEFAULT 0;

UPDATE queue SET body = '8BITMIME' WHERE body8bit = 1;
ALTER TABLE queue DROP COLUMN body8bit;

-- What is due, in the order of its time, read in pages; and what is due for one destination.
DROP INDEX queue_due;
CREATE INDEX queue_due ON queue (state, next_attempt, entry_id, destination, lease_until);
CREATE INDEX queue_destination ON queue (destination, state, next_attempt);
CREATE INDEX queue_trace ON queue (trace_id)
