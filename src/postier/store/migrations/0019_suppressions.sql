-- Foreign addresses that mail was returned from as unknown, or that the administrator set: a few rows, found
-- by address. `until`: nothing is sent there before; 0 where bounces are only counted so far.
CREATE TABLE suppressions (
    address TEXT NOT NULL PRIMARY KEY,
    bounces INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    until INTEGER NOT NULL,
    diagnostic TEXT NOT NULL,
    remote TEXT NOT NULL,
    sender TEXT NOT NULL
) $clustered
