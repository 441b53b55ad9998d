"""Asking the DNS: the Resolver that everything else is written against, a client, a cache."""
