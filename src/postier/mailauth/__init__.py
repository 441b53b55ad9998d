"""Who really sent this message: SPF, DKIM, DMARC, and the field that tells the reader.

Everything here is a function of bytes, a `dns.api.Resolver` and a `base.clock.Clock`. In the order of a
transaction (the modules are spf, dkim.verify, dmarc, verdict, authentication_results):

    spf = await check_host(resolver, clock, ip=..., helo=..., mail_from=..., receiver=us)
    verifier = DkimVerifier(header_section)
    verifier.feed(chunk)
    dkim = await verifier.finish(resolver, clock)
    dmarc = await evaluate(resolver, author_domains, spf, dkim)
    verdict = decide(spf, dkim, dmarc)
    header_section = remove_forged(header_section, us)
    field = render(us, spf=spf, dkim=dkim, dmarc=dmarc, mail_from=..., helo=..., ip=...)

Outgoing mail: `BodyHasher` (dkim.canonical) while the body streams, then `sign` (dkim.sign).
"""
