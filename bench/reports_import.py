"""How long DMARC aggregate reports take to import, and what memory that needs.

    .venv/bin/python bench/reports_import.py [--reports 1000] [--records 1000]

Makes as many reports, gzipped as reporters send them, into a folder, and runs `postier dmarc import` on it.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

POSTIER = [sys.executable, "-c", "from postier.cli.main import main; main()"]
RECORD = """ <record>
  <row>
   <source_ip>{ip}</source_ip>
   <count>{count}</count>
   <policy_evaluated>
    <disposition>none</disposition>
    <dkim>{dkim}</dkim>
    <spf>{spf}</spf>
   </policy_evaluated>
  </row>
  <identifiers>
   <envelope_from>bounce{stream}.example.com</envelope_from>
   <header_from>example.com</header_from>
  </identifiers>
  <auth_results>
   <dkim>
    <domain>example.com</domain>
    <selector>s{stream}</selector>
    <result>{dkim}</result>
   </dkim>
   <spf>
    <domain>bounce{stream}.example.com</domain>
    <scope>mfrom</scope>
    <result>{spf}</result>
   </spf>
  </auth_results>
 </record>
"""
REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<feedback>
 <version>1.0</version>
 <report_metadata>
  <org_name>reporter{number}.test</org_name>
  <email>dmarc@reporter{number}.test</email>
  <report_id>{number}.1700000000</report_id>
  <date_range><begin>1700000000</begin><end>1700086399</end></date_range>
 </report_metadata>
 <policy_published>
  <domain>example.com</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct>
 </policy_published>
{records}</feedback>
"""


def report(number: int, records: int) -> bytes:
    text = "".join(
        RECORD.format(
            ip=f"{10 + number % 200}.{one >> 8 & 255}.{one & 255}.{number >> 8 & 255}",
            count=1 + one % 97,
            dkim="pass" if one % 5 else "fail",
            spf="pass" if one % 3 else "fail",
            stream=one % 20,
        )
        for one in range(records)
    )
    return gzip.compress(REPORT.format(number=number, records=text).encode(), 6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--records", type=int, default=1000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, files = Path(folder) / "data", Path(folder) / "reports"
        files.mkdir()
        for number in range(chosen.reports):
            (files / f"reporter{number}.test!example.com!1700000000!1700086399.xml.gz").write_bytes(
                report(number, chosen.records)
            )
        init = [
            *POSTIER,
            "init",
            "--data",
            str(data),
            "--domain",
            "example.com",
            "--yes",
            "--bind",
            "127.0.0.1",
        ]
        subprocess.run(
            [*init, "--password-stdin"], input=b"bench-password\n", check=True, capture_output=True
        )
        began = time.monotonic()
        subprocess.run([*POSTIER, "dmarc", "import", "--data", str(data), str(files)], check=True)
        seconds = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = sum(file.stat().st_size for file in data.glob("postier.db*"))
        print(
            f"{chosen.reports} reports of {chosen.records} records: {seconds:.1f} s,"
            f" {used.ru_utime + used.ru_stime:.1f} s of CPU, {used.ru_maxrss / 1024:.0f} MiB at most,"
            f" {size / 2**20:.0f} MiB in the store"
        )


if __name__ == "__main__":
    main()
