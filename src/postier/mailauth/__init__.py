"""Who really sent this message: SPF, DKIM, DMARC, and the field that tells the reader.

Everything here is a function of bytes, a `dns.api.Resolver` and a `base.clock.Clock`.
"""
