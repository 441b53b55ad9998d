"""Who really sent this message: SPF, DKIM, DMARC, and the field that tells the reader.

Everything here is a function of bytes, a `dns.api.Resolver` and a `base.clock.Clock`. In the order of a
transaction:

    spf = await check_host(resolver, clock, ip=..., helo=..., mail_from=..., receiver=us)     # spf
    verifier = DkimVerifier(header_section)                                                    # dkim.verify
    verifier.feed(chunk)                                                                       # for each chunk
    dkim = await verifier.finish(resolver, clock)
    dmarc = await evaluate(resolver, author_domains, spf, dkim)                                # dmarc
    verdict = decide(spf, dkim, dmarc)                                                         # verdict
    field = render(us, spf=spf, dkim=dkim, dmarc=dmarc, mail_from=..., helo=..., ip=...)
    header_section = remove_forged(header_section, us)                      # authentication_results

Outgoing mail: `BodyHasher` while the body streams, then `sign` (dkim.sign).
"""
