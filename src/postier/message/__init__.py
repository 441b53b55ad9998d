"""Messages as bytes and offsets (RFC 5322, MIME): reading what anyone may send, writing what is correct.

Reading never raises, whatever the bytes: where a message contradicts itself one reading is chosen, and
everyone who asks (IMAP, DMARC, filters, search) gets that one. Every reader here is iterative, bounded and
linear.

    analysis          all that is listed, sorted and fetched, made once at arrival
    structure         the MIME tree, found by hopping from delimiter to delimiter
    headers  addresses  dates  encoded_words  parameters  charsets      the parts of a header section
    envelope  body_structure  parts      what IMAP asks for: ready bytes, and byte ranges
    transfer  text    the content of parts, decoded
    compose  dsn      writing
"""
