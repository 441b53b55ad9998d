"""OpenLDAP's server in a folder of its own, on the loopback, for as long as a test runs.

It has TLS by an authority of ours, the memberof overlay, a password policy, pages, and attributes that Active
Directory has, by a small schema.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from postier.net.authority import issue_certificate, make_ca, write_key_pair

__all__ = ["ADMIN", "ADMIN_PASSWORD", "BASE", "Slapd"]

BASE = "dc=orchard,dc=test"
ADMIN = f"cn=admin,{BASE}"
ADMIN_PASSWORD = "a password, with (signs)*"  # noqa: S105 - of a server that lives for a test
START_SECONDS = 20.0

SCHEMA = """
attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'userAccountControl' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch
  SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.1.3 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.4 NAME 'objectGUID' EQUALITY octetStringMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.5 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.6 NAME 'mailAlternateAddress' EQUALITY caseIgnoreIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.99999.1.7 NAME 'mailQuota' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'companyPerson' SUP top AUXILIARY
  MAY ( userAccountControl $ proxyAddresses $ sAMAccountName $ objectGUID $ userPrincipalName $
    mailAlternateAddress $ mailQuota $ mail ) )
"""
CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {folder}/company.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
sizelimit size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw "{password}"
directory {folder}/data
maxsize 268435456
index objectClass,mail,entryUUID eq
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
overlay memberof
overlay ppolicy
ppolicy_default "cn=policy,{base}"
"""
FIRST = (
    (BASE, {"objectClass": ["dcObject", "organization"], "o": ["Orchard"]}),
    (f"ou=people,{BASE}", {"objectClass": ["organizationalUnit"]}),
    (f"ou=groups,{BASE}", {"objectClass": ["organizationalUnit"]}),
    (
        f"cn=policy,{BASE}",
        {
            "objectClass": ["device", "pwdPolicy"],
            "pwdAttribute": ["userPassword"],
            "pwdLockout": ["TRUE"],
            "pwdMaxFailure": ["3"],
        },
    ),
)
Attributes = Mapping[str, Sequence[str | bytes]]


class Slapd:
    """Use as a context manager; `folder` goes at its end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postier-slapd-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self.tls_port = _free_port(), _free_port()
        self.authorities = self.folder / "ca.pem"

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def ldaps(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @staticmethod
    def program() -> str:
        return shutil.which("slapd", path="/usr/sbin:/usr/lib/openldap:/usr/bin") or "slapd"

    def __enter__(self) -> Slapd:
        (self.folder / "data").mkdir()
        self.show_certificate()
        (self.folder / "company.schema").write_text(SCHEMA)
        (self.folder / "slapd.conf").write_text(
            CONFIGURATION.format(folder=self.folder, base=BASE, admin=ADMIN, password=ADMIN_PASSWORD)
        )
        self.start()
        self.add(FIRST)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def show_certificate(self, name: str = "ldap.orchard.test", now: dt.datetime | None = None) -> None:
        """A new authority, and a certificate for 127.0.0.1 and `name` that holds from `now` on."""
        authority = make_ca("slapd's authority", now)
        self.authorities.write_bytes(authority.certificate)
        addresses = [] if name == "elsewhere.test" else [ipaddress.ip_address("127.0.0.1")]
        pair = issue_certificate(authority, [name], addresses, now)
        write_key_pair(pair, self.folder / "cert.pem", self.folder / "key.pem")

    def start(self) -> None:
        self._give_away()
        listen = f"{self.url} {self.ldaps}"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.program(), "-d", "stats", "-h", listen, "-f", str(self.folder / "slapd.conf")],
                stderr=log,
                stdout=log,
                user=_owner(),
            )
        end = time.monotonic() + START_SECONDS
        while not (_answers(self.port) and _answers(self.tls_port)):
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(START_SECONDS)
            self._process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def stall(self) -> None:
        """It accepts connections, as the kernel does, and says nothing until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    # ------------------------------------------------------------------ what it holds

    def add(self, entries: Sequence[tuple[str, Attributes]]) -> None:
        self._change("ldapadd", "\n".join(_ldif(dn, attributes) for dn, attributes in entries))

    def person(self, uid: str, **attributes: Sequence[str | bytes]) -> str:
        """Somebody with the password "UID pass-word" and the address UID@orchard.test; returns the name."""
        dn = f"uid={uid},ou=people,{BASE}"
        plain: Attributes = {
            "objectClass": ["inetOrgPerson", "companyPerson"],
            "cn": [uid.title()],
            "sn": [uid.title()],
            "mail": [f"{uid}@orchard.test"],
            "userPassword": [f"{uid} pass-word"],
        }
        self.add([(dn, {**plain, **attributes})])
        return dn

    def group(self, cn: str, members: Sequence[str], **attributes: Sequence[str | bytes]) -> str:
        dn = f"cn={cn},ou=groups,{BASE}"
        classes = ["groupOfNames", "companyPerson"]
        self.add([(dn, {"objectClass": classes, "member": list(members), **attributes})])
        return dn

    def modify(self, dn: str, attribute: str, values: Sequence[str | bytes]) -> None:
        """Replace the values."""
        lines = [_line("dn", dn), "changetype: modify", f"replace: {attribute}"]
        self._change("ldapmodify", "\n".join((*lines, *(_line(attribute, value) for value in values), "")))

    def rename(self, dn: str, rdn: str) -> None:
        self._change(
            "ldapmodify",
            "\n".join((_line("dn", dn), "changetype: modrdn", f"newrdn: {rdn}", "deleteoldrdn: 1", "")),
        )

    def delete(self, dn: str) -> None:
        self._change("ldapmodify", f"{_line('dn', dn)}\nchangetype: delete\n")

    def _change(self, program: str, ldif: str) -> None:
        command = [program, "-x", "-H", self.url, "-D", ADMIN, "-w", ADMIN_PASSWORD]
        done = subprocess.run(command, input=ldif.encode(), capture_output=True)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))

    def _give_away(self) -> None:
        owner = _owner()
        if owner is None:
            return
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, owner, -1)


def _owner() -> int | None:
    """Whom it runs as: nobody of importance, where we are root."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("nobody").pw_uid


def _ldif(dn: str, attributes: Attributes) -> str:
    lines = [_line(name, value) for name, values in attributes.items() for value in values]
    return "\n".join((_line("dn", dn), *lines, ""))


def _line(name: str, value: str | bytes) -> str:
    octets = value if isinstance(value, bytes) else value.encode()
    return f"{name}:: {base64.b64encode(octets).decode()}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
