-- Who is greylisted and who is known. key: a hash of a triple or of a pool. first: when it
-- came first, expires: when the row means nothing any more; seconds since 1970. passed: 1 for who is known.
CREATE TABLE greylist (
    key BIGINT NOT NULL PRIMARY KEY,
    first BIGINT NOT NULL,
    passed SMALLINT NOT NULL,
    expires BIGINT NOT NULL
) $clustered;

CREATE INDEX greylist_expires ON greylist (expires)
