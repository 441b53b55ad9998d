"""Who really sent this message: SPF, DKIM, DMARC, and the field that tells the reader.

Everything here is a function of bytes, a `dns.api.Resolver` and a `base.clock.Clock`. In the order of a
transaction (the modules are spf, verifier, dmarc, verdict, authentication_results):

    spf = await check_host(resolver, clock, ip=..., helo=..., mail_from=..., receiver=us)
    verifier = MessageVerifier(header_section)
    verifier.feed(chunk)
    dkim, arc = await verifier.finish(resolver, clock)
    dmarc = await evaluate(resolver, author_domains, spf, dkim)
    verdict = decide(spf, dkim, dmarc)
    header_section = remove_forged(header_section, us)
    field = render(us, spf=spf, dkim=dkim, dmarc=dmarc, arc=arc, mail_from=..., helo=..., ip=...)

Outgoing mail: `BodyHasher` (dkim.canonical) while the body streams, then `sign` (dkim.sign).
"""
