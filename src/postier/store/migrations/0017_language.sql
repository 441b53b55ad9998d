-- The language in which a person is told of mail, '' for that of the domain.
ALTER TABLE accounts ADD COLUMN language TEXT NOT NULL DEFAULT ''
