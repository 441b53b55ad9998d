"""Reports of other servers about our domains: DMARC aggregate and failure reports, TLS reports."""
