-- The stories of messages. A row holds the steps that one transaction wrote for one trace; ids only grow, so that
-- rows are appended. at: seconds since 1970. body: MessagePack of [[kind, when, facts], ...].
CREATE TABLE steps (
    step_id $id NOT NULL PRIMARY KEY,
    trace_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    body $bytes NOT NULL
);

-- Where a story is found by: filled behind it. hash: of a kind of key and its value, casefolded.
CREATE TABLE step_keys (
    hash BIGINT NOT NULL,
    step_id BIGINT NOT NULL,
    PRIMARY KEY (hash, step_id)
) $clustered
