"""Reports of ours to other domains: TLS reports (RFC 8460), DMARC aggregate reports (RFC 9990)."""
