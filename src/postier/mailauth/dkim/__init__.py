"""DomainKeys Identified Mail: RFC 6376 with 8301 (no SHA-1, no short keys), 8463 (Ed25519), 8616 (IDN)."""
