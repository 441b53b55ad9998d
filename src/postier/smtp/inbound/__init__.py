"""Receiving mail: from other servers (port 25, Role.MX) and from our people (587 and 465, Role.SUBMISSION).

`session` turns events into calls; `policy` says who is refused and why, in order; `authenticate` logs in;
`incoming` takes the message while it comes; `judge` asks SPF, DKIM and DMARC; `submission` mends what clients
leave out, and signs; `received` writes the trace; `accept` stores the whole and only then says 250. Beside
it `notify` reports success to senders who asked, `overflow` keeps a full mailbox from harming its neighbours,
and `dns_budget` bounds what one message may ask of the DNS.
"""
