"""Managing a server: what the command line and the management API share."""
