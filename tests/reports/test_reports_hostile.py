"""Reports made to cost much, and reports that are only odd."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from xml.parsers import expat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.net.authority import make_ca
from postier.reports import aggregate as aggregate_module
from postier.reports.containers import unpack
from postier.reports.limits import LIMITS, Budget, Limits, Unreadable
from postier.reports.markup import read_markup
from postier.reports.read import read_report
from postier.reports.records import plain_rows
from postier.reports.smime import signed_content
from postier.store.reports import AggregateReport, FailureReport, TlsReport

RECORD = """<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated>
<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>example.com</header_from></identifiers>
<auth_results><dkim><domain>example.com</domain><selector>s1</selector><result>pass</result></dkim>
<spf><domain>bounce.example.com</domain><result>softfail</result></spf></auth_results></record>"""
HEAD = """<report_metadata><org_name>Org</org_name><email>r@org.example</email><report_id>r1</report_id>
<date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>
<policy_published><domain>example.com</domain><p>none</p></policy_published>"""
XML = f"<?xml version='1.0'?><feedback>{HEAD}{RECORD}</feedback>"
TLS = '{"organization-name":"Org","report-id":"t1","policies":[{"policy":{"policy-type":"sts"}}]}'


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def many_files(number: int) -> bytes:
    """A zip archive of one empty file that its directory has `number` times."""
    archive = zipped(("a.xml", b""))
    start, end = archive.index(b"PK\x01\x02"), archive.index(b"PK\x05\x06")
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, (end - start) * number, start, 0)
    return archive[:start] + archive[start:end] * number + tail


def mailed(data: bytes, header: str = "Content-Type: application/octet-stream") -> bytes:
    body = base64.encodebytes(data).decode()
    fields = f"From: r@org.example\r\nMIME-Version: 1.0\r\n{header}\r\nContent-Transfer-Encoding: base64\r\n"
    return f"{fields}\r\n{body}".encode()


def aggregate(data: bytes) -> AggregateReport:
    (report,) = read_report(data, Budget())
    assert isinstance(report, AggregateReport)
    assert (report.org, report.domain, len(report.rows)) == ("Org", "example.com", 1)
    assert (report.rows[0].messages, report.rows[0].dkim, report.rows[0].spf) == (3, "pass", "fail")
    return report


@pytest.mark.parametrize(
    "data",
    [
        XML.encode(),
        b"\xef\xbb\xbf" + XML.encode(),
        b"\r\n\r\n \t" + XML.encode(),
        XML.encode("utf-16"),
        XML.encode("utf-16-le"),
        XML.replace("Org<", "Org<").replace("'1.0'", "'1.0' encoding='iso-8859-1'").encode(),
        XML.replace("'1.0'", "'1.0' encoding='utf-16'").encode(),
        XML.replace("'1.0'", "'1.0' encoding='no-such-thing'").encode(),
        XML.replace("<feedback>", '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">').encode(),
        XML.replace("<feedback>", "<ns2:feedback>").replace("</feedback>", "</ns2:feedback>").encode(),
        XML.replace("pass", "PASS").replace("fail", " Fail\n").encode(),
        XML.encode() + b"\0\0\0",
        XML.encode() + b"<junk>",
        XML.replace("</feedback>", "").encode(),
        XML.replace("<org_name>Org", "<org_name>Org\x0b").encode(),
        XML.replace("Org</org_name>", "Org").encode(),
        XML.replace("<email>r@", "<email><a&b>@").encode(),
        XML.replace("<count>3", "<count> 3.0 ").encode(),
        gzip.compress(XML.encode()),
        gzip.compress(XML.encode()) + b"\0" * 40,
        gzip.compress(XML.encode())[:-6],
        gzip.compress(gzip.compress(XML.encode())),
        gzip.compress(zipped(("a.xml", XML.encode()))),
        zlib.compress(XML.encode()),
        zipped(("report.xml", XML.encode())),
        zipped(("__MACOSX/._report.xml", b"\0\5"), ("report.xml", XML.encode())),
        zipped(("report", XML.encode())),
        zipped(("report.xml.gz", gzip.compress(XML.encode()))),
        mailed(gzip.compress(XML.encode())),
        mailed(XML.encode(), "Content-Type: application/gzip"),
        mailed(zipped(("r.xml", XML.encode())), "Content-Type: text/plain"),
        mailed(gzip.compress(XML.encode()), "X-Nothing: said"),
        mailed(base64.encodebytes(gzip.compress(XML.encode())), "Content-Type: application/gzip"),
        b"From r@org.example Mon Jan  1 00:00:00 2024\n" + mailed(gzip.compress(XML.encode())),
    ],
    ids=range(34),
)
def test_odd_ways_to_send_the_same_report(data: bytes) -> None:
    aggregate(data)


def test_a_report_in_a_mail_that_was_forwarded_whole() -> None:
    inner = mailed(gzip.compress(XML.encode()))
    for kind in ("multipart/mixed", "multipart/signed"):
        outer = (
            f"Content-Type: {kind}; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n--b\r\n"
            "Content-Type: message/rfc822\r\n\r\n"
        ).encode()
        aggregate(
            outer + inner + b"\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nx\r\n--b--\r\n"
        )


def as_part(content: bytes, header: str) -> bytes:
    """A mail whose second part is `content`."""
    start = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n--b\r\n" + header
    return start.encode() + b"\r\n\r\n" + content + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    "mail",
    [
        as_part(base64.encodebytes(mailed(gzip.compress(XML.encode()))), "Content-Type: message/rfc822"),
        as_part(
            base64.encodebytes(mailed(gzip.compress(XML.encode()))),
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64",
        ),
        as_part(
            base64.encodebytes(mailed(XML.encode())),
            "Content-Type: application/octet-stream; name=r.eml\r\nContent-Transfer-Encoding: base64",
        ),
        as_part(mailed(XML.encode()), "Content-Type: application/octet-stream"),
    ],
    ids=range(4),
)
def test_a_mail_as_a_file_in_a_mail(mail: bytes) -> None:
    aggregate(mail)


def test_mails_in_mails_end() -> None:
    mail = mailed(XML.encode())
    for _ in range(10):
        mail = mailed(mail)
    with pytest.raises(Unreadable, match="mails in mails"):
        read_report(mail, Budget())


def enveloped(content: bytes) -> bytes:
    pair = make_ca("signer")
    key = serialization.load_pem_private_key(pair.key, None)
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(certificate, key, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def test_a_report_in_a_signed_envelope() -> None:
    inner = mailed(gzip.compress(XML.encode()))
    der = enveloped(inner)
    header = "Content-Type: application/pkcs7-mime; smime-type=signed-data"
    aggregate(mailed(der, header))
    pieces = b"".join(b"\x04\x64" + inner[i : i + 100] for i in range(0, len(inner) // 100 * 100, 100))
    rest = inner[len(inner) // 100 * 100 :]
    oid, data = "06092a864886f70d010702", "06092a864886f70d010701"
    streamed = (
        bytes.fromhex(f"3080{oid}a0803080020101310030 80{data}a0802480")
        + pieces
        + bytes([4, len(rest)])
        + rest
        + bytes(12)
    )
    aggregate(mailed(streamed, header))
    for broken in (
        der[:40],
        der.replace(bytes.fromhex(data), bytes.fromhex(oid), 0)[:1],
        b"\x30\x80" * 5000,
        b"",
    ):
        with pytest.raises(Unreadable):
            read_report(mailed(broken, header), Budget())
    encrypted = der.replace(bytes.fromhex(oid), bytes.fromhex("06092a864886f70d010703"), 1)
    with pytest.raises(Unreadable, match="encrypted"):
        read_report(mailed(encrypted, header), Budget())


def test_what_is_missing_has_a_value() -> None:
    (report,) = read_report(
        b"<feedback><record><row><source_ip>not an ip</source_ip><count>x</count></row>"
        b"<identities><header_from>Example.COM.</header_from></identities></record></feedback>",
        Budget(),
    )
    assert isinstance(report, AggregateReport)
    assert report.org == "?"
    assert report.report_id.startswith("sha256:")
    assert (report.domain, report.begin, report.end) == ("example.com", 0, 0)
    (row,) = report.rows
    assert (row.source, row.messages, row.dkim, row.spf, row.disposition) == (
        "not an ip",
        1,
        "fail",
        "fail",
        "none",
    )


def test_texts_can_be_printed_and_stored() -> None:
    evil = "a&#27;[31m\u202eb&#10;c" + "x" * 3000
    (report,) = read_report(XML.replace("Org", evil).encode(), Budget())
    assert isinstance(report, AggregateReport)
    assert report.org.isprintable()
    assert len(report.org) <= 500


def rows(count: int) -> bytes:
    return f"<feedback>{HEAD}{RECORD * count}</feedback>".encode()


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip of zeros": lambda: gzip.compress(bytes(64 << 20), 9),
    "zip of zeros": lambda: zipped(("a.xml", bytes(64 << 20))),
    "ratio": lambda: gzip.compress(XML.encode() + b" " * (2 << 20)),
    "packed often": lambda: gzip.compress(gzip.compress(gzip.compress(gzip.compress(XML.encode())))),
    "DTD": lambda: XML.replace("<feedback>", "<!DOCTYPE a [<!ENTITY b 'c'>]><feedback>").encode(),
    "DTD in UTF-16": lambda: XML.replace("<feedback>", "<!DOCTYPE a><feedback>").encode("utf-16"),
    "deep": lambda: XML.replace("<row>", "<row>" * 30).encode(),
    "deep and never closed": lambda: b"<feedback>" + b"<record>" * 500_000,
    "broad": lambda: XML.replace("<row>", "<row>" + "<p/>" * 1_000_000).encode(),
    "comments": lambda: b"<feedback>" + b"<!--" * 500_000,
    "open tags": lambda: b"<feedback>" + b"<row " * 500_000,
    "end tags": lambda: b"<feedback>&" + b"</row>" * 300_000,
    "instructions": lambda: b"<feedback>&" + b"<?a" * 500_000,
    "deep JSON": lambda: b'{"policies":' + b"[" * 1_000_000,
    "deep JSON beside": lambda: b'{"report-id":"1","x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
    "broad JSON": lambda: b'{"report-id":"1","policies":[' + b"{}," * 1_000_000 + b"{}]}",
    "long JSON": lambda: b'{"a":"' + b"x" * LIMITS.json + b'"}',
    "number": lambda: b'{"report-id":1e400,"policies":[{}]}' + b"9" * 100_000,
    "many parts": lambda: (
        b"Content-Type: multipart/mixed; boundary=b\n\n"
        + b"--b\n\nx\n" * 50_000
        + b"--b\nContent-Type: text/xml\n\n<a/>"
    ),
    "many files in a zip": lambda: many_files(1001),
    "far too many files in a zip": lambda: many_files(200_000),
    "many gzip members": lambda: gzip.compress(b"<") * 101,
    "long attribute": lambda: XML.replace("<row>", f'<row a="{"x" * 5_000_000}">').encode(),
    "many attributes": lambda: XML.replace(
        "<row>", "<row " + " ".join(f"a{i}=''" for i in range(100_000)) + ">"
    ).encode(),
    "zip in name only": lambda: b"PK\x03\x04" + b"\0" * 1000,
    "gzip in name only": lambda: b"\x1f\x8b" + b"\xff" * 1000,
    "empty": lambda: b" \n",
    "something else": lambda: b"%PDF-1.4",
    "another XML": lambda: b"<html><body>hello</body></html>",
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_costs_too_much_is_unreadable(name: str) -> None:
    data = BOMBS[name]()
    before = time.process_time()
    with pytest.raises(Unreadable) as caught:
        read_report(data, Budget())
    assert str(caught.value)
    assert time.process_time() - before < 20  # a bound of work, not a measure


@pytest.mark.parametrize("piece", ["a<!-- -->", "&a<!-- -->"], ids=["valid", "broken"])
def test_text_in_very_many_pieces_costs_little(piece: str) -> None:
    before = time.process_time()
    (report,) = read_report(XML.replace("Org", piece * 300_000).encode(), Budget())
    assert isinstance(report, AggregateReport)
    assert report.org.count("a") == 500 // len(piece[:-8])
    assert time.process_time() - before < 15  # a bound of work, not a measure


def test_archives_at_their_limit_are_read() -> None:
    assert unpack(many_files(1000), Budget()) == b""
    assert unpack(gzip.compress(b"<") * 100, Budget()) == b"<" * 100


def test_a_long_attribute_that_is_not_too_long() -> None:
    for size in (0, 200_000):
        (report,) = read_report(XML.replace("<row>", f'<row a="{"x" * size}">').encode(), Budget())
        assert isinstance(report, AggregateReport)
        assert len(report.rows) == 1


@pytest.mark.parametrize("digits", [7, 8, 5000])
def test_character_references_of_any_length(digits: int) -> None:
    broken = XML.replace("Org", f"A&amp;B&#{'9' * digits};&#x{'f' * digits};<x")
    (report,) = read_report(broken.encode(), Budget())
    assert isinstance(report, AggregateReport)
    assert report.org.startswith("A&B")


def test_a_text_that_is_too_long_takes_no_memory() -> None:
    read = XML.replace("Org", "Org" + "&a" * 2_000_000 + "&lt").encode()
    tracemalloc.start()
    try:
        read_report(read, Budget())
        assert tracemalloc.get_traced_memory()[1] < 10 * len(read)
    finally:
        tracemalloc.stop()


def test_an_envelope_of_very_many_values() -> None:
    oid = bytes.fromhex("06092a864886f70d010702")
    values = b"\x30\x80" + oid + b"\xa0\x80\x30\x80" + b"\x05\x00" * 3_000_000
    before = time.process_time()
    with pytest.raises(Unreadable, match="broken"):
        signed_content(values + b"\0\0" * 3)
    assert time.process_time() - before < 2  # a bound of work, not a measure


def test_elements_without_content_are_no_results() -> None:
    """They would take a hundred times as much to store as to send."""
    many = RECORD.replace("<auth_results>", "<auth_results>" + "<dkim/>" * 99 + "<spf></spf>" * 99)
    (report,) = read_report(XML.replace(RECORD, many).encode(), Budget())
    assert isinstance(report, AggregateReport)
    assert [len(report.rows[0].auth_dkim), len(report.rows[0].auth_spf)] == [1, 1]


def test_a_machine_that_is_busy_makes_no_report_unreadable() -> None:
    assert Budget().clock is time.thread_time


@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_of_rows(more: int) -> None:
    budget = Budget(Limits(rows=10))
    if more:
        with pytest.raises(Unreadable, match="10 rows"):
            read_report(rows(11), budget)
    else:
        (report,) = read_report(rows(10), budget)
        assert isinstance(report, AggregateReport)
        assert len(report.rows) == 10


@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_of_rows_of_one_mail(more: int) -> None:
    part = b"--b\nContent-Type: text/xml\n\n" + rows(5) + b"\n"
    data = b"Content-Type: multipart/mixed; boundary=b\n\n" + part * 2 + b"--b--\n"
    budget = Budget(Limits(rows=10 - more))
    if more:
        with pytest.raises(Unreadable, match="9 rows"):
            read_report(data, budget)
    else:
        assert len(read_report(data, budget)) == 2


@pytest.mark.parametrize("more", [0, 1, 100])
def test_the_limit_of_octets(more: int) -> None:
    data = gzip.compress(XML.encode())
    budget = Budget(Limits(octets=len(XML.encode()) - more))
    if more:
        with pytest.raises(Unreadable, match="longer than"):
            read_report(data, budget)
    else:
        assert read_report(data, budget)


def test_the_limit_of_time() -> None:
    moments = iter([0.0, *[10_000.0] * 100])
    with pytest.raises(Unreadable, match="more than 20 s"):
        read_report(rows(1000), Budget(clock=lambda: next(moments)))


def test_every_failure_report_of_a_mail_has_its_original() -> None:
    mail = (
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: message/feedback-report\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(
            b"Feedback-Type: auth-failure\r\nSource-IP: [192.0.2.7]\r\nAuth-Failure: SPF\r\n"
        )
        + b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@example.com\r\n\r\n<a/>\r\n--b--\r\n"
    )
    (report,) = read_report(mail, Budget())
    assert isinstance(report, FailureReport)
    assert (report.source, report.domain, report.auth_failure) == ("192.0.2.7", "example.com", "spf")


def test_a_failure_report_in_words() -> None:
    mail = (
        b"Content-Type: text/plain\r\n\r\nA message claiming to be from you has failed the\r\n"
        b"published policy.\r\n\r\n  Sender Domain: example.com\r\n  Sender IP Address: 192.0.2.9\r\n"
        b"  Received Date: Tue, 03 Oct 2023 08:03:15 +0800\r\n"
    )
    (report,) = read_report(mail, Budget())
    assert isinstance(report, FailureReport)
    assert (report.source, report.domain, report.arrived) == ("192.0.2.9", "example.com", 1696291395)


def test_a_tls_report_with_other_types_than_the_standard_has() -> None:
    (report,) = read_report(TLS.replace('"t1"', "7").replace("}]", ', "summary": null}]').encode(), Budget())
    assert isinstance(report, TlsReport)
    assert (report.report_id, report.policies[0].kind, report.policies[0].failed) == ("7", "sts", 0)


def test_a_tls_report_that_is_odd_in_other_ways() -> None:
    odd = """{"organization-name": "O", "report-id": "1", "policies": {"policy": {"policy-type": "tlsa",
        "policy-domain": "A.example."}, "summary": {"total-failure-session-count": "2"}, "failure-details":
        {"result-type": "Certificate-Expired", "failed-session-count": 2.0,
        "additional-information": {"a": 1}}}}"""
    for data in (
        odd.encode(),
        odd.encode("utf-16"),
        b"\xef\xbb\xbf" + odd.encode(),
        gzip.compress(odd.encode()),
    ):
        (report,) = read_report(data, Budget())
        assert isinstance(report, TlsReport)
        (policy,) = report.policies
        assert (policy.domain, policy.failed, policy.failures[0].result) == (
            "a.example",
            2,
            "certificate-expired",
        )
        assert policy.failures[0].sessions == 2


def test_an_empty_reason_is_none() -> None:
    (report,) = read_report(XML.replace("<dkim>pass</dkim>", "<dkim>pass</dkim><reason/>").encode(), Budget())
    assert isinstance(report, AggregateReport)
    assert report.rows[0].overrides == ()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([XML.encode(), TLS.encode(), gzip.compress(XML.encode()), mailed(XML.encode())]),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6)), max_size=8),
)
def test_damage_anywhere_is_read_or_unreadable(data: bytes, edits: list[tuple[int, bytes]]) -> None:
    for place, octets in edits:
        at = place % (len(data) + 1)
        data = data[:at] + octets + data[at + len(octets) // 2 :]
    with contextlib.suppress(Unreadable):
        assert read_report(data, Budget())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(XML)),
            st.sampled_from(
                ["<row>", "</row>", "</record>", "<record>", "<a/>", "&amp;", " ", "x", "<spf>", "</spf>"]
            ),
        ),
        max_size=4,
    )
)
def test_plain_records_are_read_alike_wherever_they_are_damaged(edits: list[tuple[int, str]]) -> None:
    """Where the XML reader has no fault to find, the short way finds what it finds."""
    text = XML.replace(RECORD, RECORD + "\n" + RECORD.replace("192.0.2.1", "2001:DB8::1"))
    for place, piece in edits:
        text = text[:place] + piece + text[place:]
    sections = aggregate_module._Sections(Budget())
    try:
        expat.ParserCreate().Parse(text, True)
        read_markup(text, sections, Budget())
    except (expat.ExpatError, Unreadable):
        return
    start, end = text.find("<record>"), text.rfind("</record>") + len("</record>")
    plain = plain_rows(text, start, end, Budget())
    assert plain is None or plain == sections.rows
