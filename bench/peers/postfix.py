"""Debian's Postfix as an instance of its own, if wanted with OpenDKIM and OpenDMARC as its milters.

Its limits are lifted as far as they would be what is measured; what it fsyncs is left as it is.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from peers import cost
from peers.ours import DOMAIN

__all__ = ["Postfix", "can_run"]

_PATIENCE = 30.0


def can_run(*programs: str) -> bool:
    """Whether these are installed, and we are root."""
    return os.geteuid() == 0 and all(shutil.which(one, path="/usr/sbin:/usr/bin") for one in programs)


class Postfix:
    """`resolver`: address of the DNS server, put in place of the system's (a private mount). `main`: more
    lines of main.cf. `sign`: a PEM key with which OpenDKIM signs, as selector "rsa"; `verify`: OpenDKIM and
    OpenDMARC (with SPF) look at what comes in; OpenDKIM, which falls over when several of its threads ask
    the DNS at once, has these keys by their names."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        people: int = 100,
        resolver: str = "127.0.0.54",
        main: Mapping[str, str] = {},
        sign: Path | None = None,
        verify: Mapping[str, str] = {},
    ) -> None:
        self.name = "Postfix" + (" + OpenDKIM" if sign or verify else "") + (" + OpenDMARC" if verify else "")
        self.port = port
        self.folder = folder / "postfix"
        self._milters: list[subprocess.Popen[bytes]] = []
        for name in ("etc", "spool", "data", "mail", "log", "milter"):
            (self.folder / name).mkdir(parents=True)
        shutil.chown(self.folder / "data", "postfix")
        shutil.chown(self.folder / "mail", "nobody")
        self._write("resolv.conf", f"nameserver {resolver}\n")
        self._write("mailboxes", "".join(f"user{n}@{DOMAIN} user{n}/\n" for n in range(people)))
        self._commands = self._milter_commands(sign, verify)
        sockets = [f"unix:{self.folder}/milter/{command[0]}" for command in self._commands]
        self._main = {
            "smtpd_milters": ", ".join(sockets),
            "milter_default_action": "tempfail",
            **main,
        }
        self._configure()
        self._write("master.cf", _MASTER_CF.format(port=port))

    def _write(self, name: str, text: str) -> Path:
        file = self.folder / "etc" / name
        file.write_text(text)
        return file

    def _configure(self) -> None:
        text = _MAIN_CF.format(folder=self.folder, domain=DOMAIN, uid=pwd.getpwnam("nobody").pw_uid)
        self._write("main.cf", text + "".join(f"{name} = {value}\n" for name, value in self._main.items()))

    def configure(self, **main: str) -> None:
        """Other lines of main.cf, read at once where it runs."""
        self._main.update(main)
        self._configure()
        self._postfix("reload")

    def _milter_commands(self, sign: Path | None, verify: Mapping[str, str]) -> list[list[str]]:
        commands = []
        if sign is not None or verify:
            mode = "s" if sign is not None else "v"
            hosts = "127.0.0.0/8" if sign is not None else "192.0.2.1"
            text = _OPENDKIM.format(folder=self.folder, mode=mode, hosts=f"InternalHosts {hosts}")
            if verify:
                keys = "".join(f"{name} {record}\n" for name, record in verify.items())
                text += f"TestPublicKeys {self._write('keys', keys)}\n"
            if sign is not None:
                text += f"Domain {DOMAIN}\nSelector rsa\nKeyFile {sign}\n"
            commands.append(["opendkim", "-f", "-x", str(self._write("opendkim.conf", text))])
        if verify:
            file = self._write("opendmarc.conf", _OPENDMARC.format(folder=self.folder))
            commands.append(["opendmarc", "-f", "-c", str(file)])
        return commands

    def _with_names(self, *command: str) -> list[str]:
        """Run a command with our resolv.conf."""
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        resolver = str(self.folder / "etc" / "resolv.conf")
        return ["unshare", "-m", "--propagation", "private", "bash", "-c", script, resolver, *command]

    def _postfix(self, verb: str) -> None:
        command = self._with_names("postfix", "-c", str(self.folder / "etc"), verb)
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        if self._answers():
            raise RuntimeError(f"another server has port {self.port}")
        for command in self._commands:
            self._milters.append(subprocess.Popen(self._with_names(*command)))
        for command in self._commands:
            _await(lambda name=command[0]: (self.folder / "milter" / name).exists(), command[0])
        self._postfix("start")
        _await(self._answers, "postfix")

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    @property
    def roots(self) -> list[int]:
        master = int((self.folder / "spool" / "pid" / "master.pid").read_text())
        return [master, *(milter.pid for milter in self._milters)]

    def cpu(self) -> float:
        return cost.cpu_seconds(self.roots)

    def settled(self) -> bool:
        """Nothing is under way from smtpd to the mailboxes."""
        return not any(self._files(name) for name in ("maildrop", "incoming", "active"))

    def letter(self, user: int) -> str:
        """One of those that user has."""
        return next((self.folder / "mail" / f"user{user}" / "new").iterdir()).read_text(errors="replace")

    def _files(self, queue: str) -> bool:
        return any(files for _, _, files in os.walk(self.folder / "spool" / queue))

    def flush(self) -> None:
        """Try all that was deferred, now."""
        command = self._with_names("postqueue", "-c", str(self.folder / "etc"), "-f")
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def log(self) -> str:
        return (self.folder / "log" / "main").read_text(errors="replace")

    def stop(self) -> None:
        if (self.folder / "spool" / "pid" / "master.pid").exists():
            self._postfix("stop")
        for milter in self._milters:
            milter.send_signal(signal.SIGTERM)
            try:
                milter.wait(10)
            except subprocess.TimeoutExpired:
                milter.kill()
                milter.wait()
        self._milters.clear()


def _await(condition: object, what: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start")
        time.sleep(0.1)


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
myhostname = mail.{domain}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
biff = no
default_database_type = texthash
default_process_limit = 400
smtpd_client_connection_count_limit = 0
smtpd_client_event_limit_exceptions = static:all
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
message_size_limit = 60000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
max_use = 1000
in_flow_delay = 0
qmgr_message_active_limit = 40000
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/etc/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
"""

_MASTER_CF = """\
{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
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

_OPENDKIM = """\
Socket local:{folder}/milter/opendkim
Mode {mode}
UMask 000
UserID root
RequireSafeKeys no
Canonicalization relaxed/relaxed
OversignHeaders From
{hosts}
Syslog no
"""

_OPENDMARC = """\
Socket local:{folder}/milter/opendmarc
UMask 000
UserID root
AuthservID mail.bench.test
TrustedAuthservIDs mail.bench.test
IgnoreHosts /dev/null
SPFIgnoreResults true
SPFSelfValidate true
RejectFailures false
Syslog no
"""
