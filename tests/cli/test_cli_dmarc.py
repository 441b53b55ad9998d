"""`postier dmarc`: reports of others about our domains."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

RECORD = """<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated>
<disposition>none</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row>
<identifiers><header_from>orchard.test</header_from></identifiers>
<auth_results><dkim><domain>{signer}</domain><selector>s1</selector><result>{dkim_result}</result></dkim>
<spf><domain>{envelope}</domain><result>{spf_result}</result></spf></auth_results></record>"""


def record(
    ip: str = "192.0.2.1",
    count: int = 1,
    dkim: str = "pass",
    spf: str = "pass",
    signer: str = "orchard.test",
    envelope: str = "orchard.test",
    dkim_result: str = "",
    spf_result: str = "",
) -> str:
    return RECORD.format(
        ip=ip,
        count=count,
        dkim=dkim,
        spf=spf,
        signer=signer,
        envelope=envelope,
        dkim_result=dkim_result or dkim,
        spf_result=spf_result or spf,
    )


def report(*records: str, number: int = 1, begin: int = 1_700_000_000, org: str = "Org") -> bytes:
    return (
        f"<feedback><report_metadata><org_name>{org}</org_name><report_id>{number}</report_id><date_range>"
        f"<begin>{begin}</begin><end>{begin + 86399}</end></date_range></report_metadata>"
        f"<policy_published><domain>orchard.test</domain><p>none</p></policy_published>{''.join(records)}"
        "</feedback>"
    ).encode()


def test_reports_are_imported_once(postier: Any, listed: Any, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.xml").write_bytes(report(record()))
    (tmp_path / "in" / "deep" / "b.xml.gz").write_bytes(gzip.compress(report(record(), record(), number=2)))
    (tmp_path / "in" / "c.xml").write_bytes(b"<html/>")
    said = postier("dmarc", "import", str(tmp_path / "in")).stdout
    assert "c.xml: the XML is no DMARC report" in said
    assert "2 aggregate reports with 3 rows" in said
    again = listed("dmarc", "import", str(tmp_path / "in"))
    assert (again["aggregate"], again["known"], again["unreadable"]) == (0, 3, 0)
    assert again["unreadable_files"][0]["reason"] == "the XML is no DMARC report"


def test_a_mailbox_of_reports(listed: Any, tmp_path: Path) -> None:
    mail = "From x Mon Jan  1 00:00:00 2024\nSubject: r\nContent-Type: text/xml\n\n{}\n>From here\n\n"
    mbox = "".join(mail.format(report(record(), number=one).decode()) for one in range(3))
    (tmp_path / "mbox").write_text(mbox)
    assert listed("dmarc", "import", str(tmp_path / "mbox"))["aggregate"] == 3


def test_a_file_that_is_not_there(fails: Any, tmp_path: Path) -> None:
    assert "No such file" in fails("dmarc", "import", str(tmp_path / "b"))
