"""The rules about people and mailboxes that every protocol shares."""
