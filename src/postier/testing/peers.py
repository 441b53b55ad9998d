"""Postfix and Exim as the other side: each a real server of a domain of its own, on the loopback.

Everything hangs off one folder; nothing is read from or written to the system's configuration. Both keep
mail in maildirs, send ours to where `ours` says, demand TLS on the way, and take mail from the loopback.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import smtplib
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["EximPeer", "Ours", "Peer", "PostfixPeer"]

PEOPLE = ("anna", "zoë", *(f"user{number}" for number in range(50)))
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ours:
    """A domain of ours, where it takes mail, and a certificate that anybody may use here."""

    domain: str
    address: str
    port: int
    certificate: Path
    key: Path


class Peer:
    """`start` and `stop` as often as wanted. `folder`: empty, and open to every user on the way there."""

    name: str
    domain: str
    address: str
    owner: str
    """The user who keeps the mail."""

    def __init__(self, folder: Path, port: int, ours: Ours, program: str | Path) -> None:
        self.folder = folder
        self.program = program
        self.port = port
        self.ours = ours
        for name in ("log", "mail", "spool", "tls", "etc"):
            (folder / name).mkdir()
        for person in PEOPLE:
            self._maildir(person)
        shutil.copyfile(ours.certificate, folder / "tls" / "cert.pem")
        shutil.copyfile(ours.key, folder / "tls" / "key.pem")
        self._configure()

    @property
    def hostname(self) -> str:
        return f"mail.{self.domain}"

    @property
    def log(self) -> str:
        return (self.folder / "log" / "main").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        self._start()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with smtplib.SMTP(self.address, self.port, timeout=5):
                    return
            except OSError:
                assert time.monotonic() < deadline, f"{self.name} does not answer\n{self.log[-2000:]}"
                time.sleep(0.1)

    def send(
        self,
        sender: str,
        recipients: Sequence[str],
        message: bytes,
        *,
        mail: Sequence[str] = (),
        rcpt: Sequence[str] = (),
    ) -> None:
        """Give it a message to carry, with these parameters of MAIL and RCPT."""
        with smtplib.SMTP(self.address, self.port, timeout=30) as client:
            refused = client.sendmail(sender, recipients, message, mail_options=mail, rcpt_options=rcpt)
            assert not refused

    def messages(self, person: str) -> list[bytes]:
        """What lies in somebody's maildir, byte for byte but for the line ends, which are LF there."""
        found = (self.folder / "mail" / self._directory(person) / "new").iterdir()
        return [file.read_bytes() for file in sorted(found)]

    def arrival(self, person: str, marker: bytes, seconds: float = 40) -> bytes:
        """The message with `marker` in it, once it is there."""
        deadline = time.monotonic() + seconds
        while True:
            for message in self.messages(person):
                if marker in message:
                    return message
            assert time.monotonic() < deadline, f"{marker!r} did not reach {self.name}\n{self.log[-3000:]}"
            time.sleep(0.1)

    def stop(self) -> None:
        raise NotImplementedError

    def _start(self) -> None:
        raise NotImplementedError

    def _configure(self) -> None:
        raise NotImplementedError

    def _directory(self, person: str) -> str:
        """A maildir's name in ASCII."""
        return person.encode("ascii", "backslashreplace").decode().replace("\\", "_")

    def _maildir(self, person: str) -> None:
        root = self.folder / "mail" / self._directory(person)
        for path in (root, root / "new", root / "cur", root / "tmp"):
            path.mkdir()
            shutil.chown(path, self.owner)

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / "etc" / name
        path.write_text(text, encoding="utf-8")
        return path


class PostfixPeer(Peer):
    """Postfix from its own package, as an instance of its own."""

    name = "postfix"
    domain = "meadow.test"
    address = "127.0.0.3"
    owner = "nobody"

    def stop(self) -> None:
        subprocess.run([self.program, "-c", self.folder / "etc", "stop"], capture_output=True, timeout=60)

    def _start(self) -> None:
        done = subprocess.run(
            [self.program, "-c", self.folder / "etc", "start"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr + self.log

    def _configure(self) -> None:
        folder, ours = self.folder, self.ours
        os.chown(folder / "spool", 0, 0)
        (folder / "data").mkdir()
        shutil.chown(folder / "data", "postfix")
        self._write("transport", f"{ours.domain} smtp:[{ours.address}]:{ours.port}\n")
        boxes = (f"{person}@{self.domain} {self._directory(person)}/\n" for person in PEOPLE)
        self._write("mailboxes", "".join(boxes))
        self._write("main.cf", _MAIN_CF.format(peer=self, folder=folder, uid=pwd.getpwnam(self.owner).pw_uid))
        self._write("master.cf", _MASTER_CF.format(peer=self))


_MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log/main
maillog_file_prefixes = {folder}
myhostname = {peer.hostname}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_bind_address = {peer.address}
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
biff = no
default_database_type = texthash
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_reject_unlisted_recipient = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/tls/cert.pem
smtpd_tls_key_file = {folder}/tls/key.pem
smtpd_tls_received_header = yes
smtp_tls_security_level = encrypt
smtp_tls_loglevel = 1
smtputf8_enable = yes
message_size_limit = 60000000
virtual_mailbox_limit = 0
virtual_mailbox_domains = {peer.domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/etc/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
transport_maps = texthash:{folder}/etc/transport
relayhost = [127.0.0.1]:9
disable_dns_lookups = yes
minimal_backoff_time = 2s
queue_run_delay = 2s
in_flow_delay = 0
"""

_MASTER_CF = """\
{peer.address}:{peer.port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 2 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class EximPeer(Peer):
    """Exim; its user is Debian-exim, as the package compiled it."""

    name = "exim"
    domain = "ridge.test"
    address = "127.0.0.4"
    owner = "Debian-exim"
    _daemon: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        if self._daemon is not None:
            os.killpg(self._daemon.pid, signal.SIGTERM)  # those who serve a connection too
            self._daemon.wait(30)
            self._daemon = None

    def _start(self) -> None:
        config = self.folder / "etc" / "exim.conf"
        with (self.folder / "log" / "stderr").open("ab") as errors:
            self._daemon = subprocess.Popen(
                [self.program, "-C", config, "-bdf", "-q2s"], stderr=errors, start_new_session=True
            )

    def _configure(self) -> None:
        for name in ("spool", "log"):
            shutil.chown(self.folder / name, "Debian-exim")
        boxes = (f"{person}: {self.folder}/mail/{self._directory(person)}\n" for person in PEOPLE)
        self._write("mailboxes", "".join(boxes))
        self._write("exim.conf", _EXIM_CONF.format(peer=self, folder=self.folder, ours=self.ours))


_EXIM_CONF = """\
exim_path = {peer.program}
keep_environment =
deliver_drop_privilege = true
primary_hostname = {peer.hostname}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%s
log_selector = +tls_cipher +smtp_confirmation
local_interfaces = {peer.address}
daemon_smtp_ports = {peer.port}
pid_file_path = {folder}/spool/pid
tls_advertise_hosts = *
tls_certificate = {folder}/tls/cert.pem
tls_privatekey = {folder}/tls/key.pem
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
dsn_advertise_hosts = *
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
message_size_limit = 60M
host_lookup =
dkim_verify_signers =
allow_utf8_domains = true

begin acl
rcpt:
  accept domains = {peer.domain}
         verify = recipient
  accept domains = {ours.domain}
         hosts = 127.0.0.0/8
  deny message = relay not permitted

begin routers
ours:
  driver = manualroute
  domains = {ours.domain}
  transport = to_ours
  route_list = {ours.domain} {ours.address}
  self = send
here:
  driver = accept
  domains = {peer.domain}
  condition = ${{lookup{{$local_part}}lsearch{{{folder}/etc/mailboxes}}{{yes}}{{no}}}}
  transport = maildir

begin transports
to_ours:
  driver = smtp
  port = {ours.port}
  interface = {peer.address}
  hosts_require_tls = *
  tls_verify_hosts =
  tls_try_verify_hosts =
  hosts_try_dane =
maildir:
  driver = appendfile
  directory = ${{lookup{{$local_part}}lsearch{{{folder}/etc/mailboxes}}}}
  maildir_format
  return_path_add
  delivery_date_add
  no_create_directory

begin retry
* * F,5d,2s
"""
