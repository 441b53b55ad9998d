-- Routes by the domain of the recipients and of the sender. What they say is read as a whole, never asked for
-- in parts, so it is one JSON text; the password lies beside it, to be left out where it is not needed.
-- Pools are named sets of addresses to send from.
CREATE TABLE mail_routes (
    pattern TEXT NOT NULL,
    sender TEXT NOT NULL,
    plan TEXT NOT NULL,
    password TEXT NOT NULL,
    PRIMARY KEY (pattern, sender)
) $clustered;

CREATE TABLE source_pools (
    name TEXT NOT NULL PRIMARY KEY,
    plan TEXT NOT NULL
) $clustered;

-- Until now they were one JSON object among the facts: {"domain": {"host": "...", "port": 25}}.
INSERT INTO mail_routes (pattern, sender, plan, password)
SELECT known.key, '',
    '{"hosts":[{"name":"' || (known.value ->> 'host') || '","port":' || (known.value ->> 'port') || '}]}', ''
FROM meta m CROSS JOIN json_each(CAST(m.value AS $json)) AS known WHERE m.key = 'routes';

DELETE FROM meta WHERE key = 'routes'
