-- The name of a device's app password, kept when that is revoked.
ALTER TABLE devices ADD COLUMN label TEXT NOT NULL DEFAULT ''
