"""How a mail program is set up for a mailbox here: one settings object, and all documents made of it."""
