"""The composition root: builds every object from the settings, starts, drains, stops. It alone knows all.

    serve -> Supervisor -> one _Worker for each core -> listeners, queue worker, HTTP

What every process needs of the data is a Backend (see backend.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import pwd
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import uvloop

from postier.accounts.audit_settings import note_settings
from postier.accounts.client_certificates import Owners
from postier.accounts.devices import DeviceLedger
from postier.accounts.directory import Directory
from postier.accounts.hashing import share
from postier.accounts.login import Login, ScramRules
from postier.accounts.login_journal import LoginJournal
from postier.accounts.password import REFUSALS, PasswordVerifier, ProofTable
from postier.backend import DATABASE, Backend, open_backend, open_resolver
from postier.base import log as base_log
from postier.base.figures import take_slot
from postier.base.heap import keep_large_blocks_apart
from postier.base.log import Log
from postier.base.metrics import WORKER_PROCESS, WORKER_STARTS
from postier.base.networks import Networks
from postier.base.shared_counts import SharedCounts
from postier.certificates import CertificateKeeper
from postier.certifying import AlpnProofs, renew_certificates
from postier.chores import sweep, turn_keys
from postier.config.settings import Settings, written_settings
from postier.directories.login import DirectoryPasswords, LoginRules
from postier.directories.upkeep import keep_comparing
from postier.doors import sessions as service_sessions
from postier.doors import web_application
from postier.indexing import keep_index, prepare_index
from postier.net.certificates import CertificateError
from postier.net.limits import Limits
from postier.net.server import BindError, Endpoint, Listener, Server, bind_sockets
from postier.queue.attempt import QueueServices
from postier.queue.schedule import Schedule
from postier.queue.suppress import SuppressionRules
from postier.queue.worker import QueueWorker, WorkerSettings
from postier.reporting import Told, open_told, report_tasks
from postier.reports.inbox import keep_reading
from postier.sending import Outbound, open_outbound
from postier.services import endpoints
from postier.smtp.outbound.route_table import RouteSchedules
from postier.store.api import Store, StoreError, StoreUnavailable
from postier.story.recorder import NoteStep, StepRecorder
from postier.story.upkeep import keep_keys
from postier.supervisor import Supervisor, WorkerChannel, notify_systemd
from postier.tokens import check_providers, open_token_verifier

__all__ = [
    "ServeError",
    "is_served",
    "require_readable_program",
    "serve",
]

log = Log("app")

DRAIN_SECONDS = 15.0
STORE_WATCH_SECONDS = 1.0
GC_THRESHOLDS = (50_000, 20, 20)
"""Collect seldom: sessions leave few cycles behind, and a listing makes thousands of short-lived objects."""


class ServeError(Exception):
    """Why the server can't start, in one line."""


def serve(settings: Settings) -> int:
    """Until SIGTERM; returns the exit code. Raises ServeError where it can't start."""
    base_log.set_level(settings.log.level)
    count = _worker_count(settings)
    with _alone(settings.data):
        certificates = _certificates(settings)
        places = list(endpoints(settings))
        try:
            sockets = bind_sockets(places, count)
        except BindError as error:
            raise ServeError(str(error)) from None
        _become(settings.server.user, [place.path for place in places if place.path])
        keep_large_blocks_apart()
        asyncio.run(_prepare(settings))
        shared = _Shared(ProofTable(), ProofTable(REFUSALS), SharedCounts(), SharedCounts())

        def run_worker(channel: WorkerChannel) -> int:
            for number, unused in enumerate(sockets):
                if number != channel.number:
                    for one in unused.values():
                        one.close()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                if channel.number == count:
                    runner.run(keep_index(settings, DATABASE, channel))
                else:
                    runner.run(_Worker(settings, certificates, shared, channel).run(sockets[channel.number]))
            return 0

        return Supervisor(count + settings.search.index, run_worker, _announce).run()


def _worker_count(settings: Settings) -> int:
    return settings.server.workers or os.cpu_count() or 1


def _announce() -> None:
    print("postier ready", flush=True)
    notify_systemd("READY=1")


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """One server for one data directory. Raises ServeError."""
    try:
        descriptor = os.open(data / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServeError(f"cannot write to {data}: {error.strerror}") from None
    if os.geteuid() == 0:  # the next server may not be root
        owner = data.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ServeError(f"a server already runs on {data}") from None
    try:
        yield
    finally:
        os.close(descriptor)


def is_served(data: Path) -> bool:
    """Whether a server runs on that data, as far as this machine can tell."""
    try:
        with (data / "serve.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _certificates(settings: Settings) -> CertificateKeeper:
    try:
        return CertificateKeeper(settings)
    except CertificateError as error:
        raise ServeError(str(error)) from None


def _become(user: str, paths: Sequence[str] = ()) -> None:
    """Give root up, now that the ports are bound, and the Unix sockets at `paths` to the user.

    Raises ServeError where the user can't read the program.
    """
    if os.geteuid() != 0 or not user:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        log.warning("running as root: there is no such user", user=user)
        return
    for path in paths:
        os.chown(path, entry.pw_uid, entry.pw_gid)
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    require_readable_program(user)


def require_readable_program(user: str) -> None:
    """Much is imported only when it is needed, so who gives root up must be able to read it.

    Raises ServeError.
    """
    for file in (asyncio.__file__, __file__):
        if not os.access(file, os.R_OK):
            where = Path(file).parent
            raise ServeError(f"{user} cannot read {where}: install it where everybody can, not in /root")


async def _prepare(settings: Settings) -> None:
    """Bring the schema up to date once, before several workers open it. Raises ServeError."""
    try:
        check_providers(settings)
        async with open_backend(settings, "supervisor") as backend:
            await note_settings(backend.store, written_settings(settings.data))
        if settings.search.index:
            await prepare_index(settings, DATABASE)
    except (StoreError, OSError) as error:
        raise ServeError(f"cannot open {settings.data / DATABASE}: {error}") from None
    except CertificateError as error:
        raise ServeError(f"oidc.providers: {error}") from None


class _Shared(NamedTuple):
    """What the workers remember together: logins, connections of a minute, what senders did lately."""

    proofs: ProofTable
    refusals: ProofTable
    connections: SharedCounts
    senders: SharedCounts


class _Worker:
    """One process that serves every listener on its own loop, with its share of the connections."""

    def __init__(
        self,
        settings: Settings,
        certificates: CertificateKeeper,
        shared: _Shared,
        channel: WorkerChannel,
    ) -> None:
        self._settings = settings
        self._certificates = certificates
        self._shared = shared
        self._channel = channel
        self._stopping = asyncio.Event()

    async def run(self, sockets: Mapping[Endpoint, socket.socket]) -> None:
        """Until SIGTERM, or until the supervisor is gone."""
        take_slot(self._channel.number)
        WORKER_PROCESS.set(os.getpid())
        WORKER_STARTS.add()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._certificates.reload)
        loop.add_reader(self._channel.lifeline, self._stopping.set)
        async with open_backend(self._settings, f"worker-{self._channel.number}") as backend:
            verifier = self._verifier()
            try:
                await self._serve(backend, verifier, sockets)
            finally:
                verifier.close()
                loop.remove_reader(self._channel.lifeline)

    def _verifier(self) -> PasswordVerifier:
        login = self._settings.login
        return PasswordVerifier(
            self._shared.proofs,
            self._shared.refusals,
            threads=share(login.concurrent_hashes, _worker_count(self._settings)),
            most_waiting=login.waiting_hashes,
        )

    async def _serve(
        self, backend: Backend, verifier: PasswordVerifier, sockets: Mapping[Endpoint, socket.socket]
    ) -> None:
        limits = self._settings.connections
        trusted = self._settings.server.trust_loopback
        recorder = StepRecorder(backend.store)
        told = open_told(backend)
        devices = DeviceLedger(
            backend.store if self._settings.devices.ledger else None,
            backend.clock,
            pause=self._settings.devices.write_every,
        )
        scram = self._settings.login
        journal = LoginJournal(backend.store, backend.clock)
        directories = self._directories(backend)
        login = Login(
            backend.store,
            backend.clock,
            verifier,
            limited=not trusted,
            directory=directories,
            certificates=Owners(backend.store.reader, backend.clock)
            if self._settings.tls.client_login
            else None,
            tokens=open_token_verifier(backend),
            journal=journal,
            rules=ScramRules(scram.scram, scram.scram_iterations),
        )
        await login.refresh()
        server = Server(
            self._listeners(backend, login, recorder.note, told, devices),
            Limits(0, 0)
            if trusted
            else Limits(limits.per_worker, limits.per_address, limits.per_network, limits.per_minute),
            counts=self._shared.connections,
            proxy_from=Networks(self._settings.net.proxy_from),
        )
        queue, outbound = _queue(backend, self._channel.number)
        self._certificates.tells = not self._channel.number
        await self._certificates.start(backend.store.reader, backend.clock)
        proofs = AlpnProofs()
        self._certificates.chooser.answer_first(proofs)
        await server.start(sockets)
        sending = asyncio.create_task(queue.run(), name="queue")
        name = f"worker-{self._channel.number}"
        recording = asyncio.create_task(recorder.run(), name="stories")
        counting = asyncio.create_task(outbound.results.run(), name="TLS results")
        journalling = asyncio.create_task(journal.run(), name="logins in the audit log")
        metering = asyncio.create_task(devices.run(), name="devices")
        chores = (
            asyncio.create_task(sweep(backend, name), name="sweep"),
            asyncio.create_task(login.run(backend.bus), name="logins"),
            asyncio.create_task(keep_keys(backend.store, backend.clock, name), name="keys of stories"),
            asyncio.create_task(
                keep_reading(
                    backend.store, backend.blobs, backend.clock, open_resolver(self._settings), name
                ),
                name="reports of others",
            ),
            asyncio.create_task(self._certificates.follow(backend), name="shown certificates"),
            asyncio.create_task(turn_keys(backend, name), name="signing keys"),
            asyncio.create_task(proofs.follow(backend), name="proofs of names"),
            asyncio.create_task(
                keep_comparing(backend.store, backend.clock, name, self._settings.directories.sync_every),
                name="directories",
            ),
            asyncio.create_task(renew_certificates(backend, name), name="certificates"),
            *report_tasks(backend, told, name),
        )
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self._channel.tell_ready()
        stopped = asyncio.create_task(self._stopping.wait())
        failed = asyncio.create_task(wait_for_refusal(backend.store), name="store watch")
        await asyncio.wait({stopped, failed, sending}, return_when=asyncio.FIRST_COMPLETED)
        for task in (failed, sending):
            if task.done():
                task.result()  # neither ends before it is told to: let the supervisor start a new worker
        failed.cancel()
        log.info("draining", worker=self._channel.number, connections=server.connections)
        for chore in chores:
            chore.cancel()
        queue.stop()
        await asyncio.gather(server.drain(DRAIN_SECONDS), sending)
        recorder.stop()
        await recording
        outbound.results.stop()
        await counting
        await told.stop()
        devices.stop()
        await metering
        journal.stop()
        await journalling
        outbound.transport.close()
        directories.close()

    def _directories(self, backend: Backend) -> DirectoryPasswords:
        chosen = self._settings.directories
        rules = LoginRules(chosen.timeout, chosen.remember, chosen.guesses)
        return DirectoryPasswords(backend.store, backend.clock, self._shared.proofs, rules)

    def _listeners(
        self,
        backend: Backend,
        login: Login,
        note_step: NoteStep,
        told: Told,
        devices: DeviceLedger,
    ) -> list[Listener]:
        web = web_application(backend, login)
        sessions = service_sessions(backend, login, web, note_step, self._shared.senders, told, devices)
        return [
            Listener(
                endpoint,
                sessions[service.name],
                tls=self._certificates.chooser.of(service.name),
                implicit_tls=service.implicit_tls,
                busy=service.lines.busy,
                goodbye=service.lines.goodbye,
                fault=service.lines.fault,
            )
            for endpoint, service in endpoints(self._settings).items()
        ]


def _queue(backend: Backend, number: int) -> tuple[QueueWorker, Outbound]:
    """The worker of the outgoing queue and what it hands messages to."""
    settings = backend.settings
    outbound = open_outbound(backend)
    times = settings.queue
    schedule = Schedule(times.retry_first, times.retry_max, times.give_up_after, times.delay_notice_after)
    services = QueueServices(
        store=backend.store,
        blobs=backend.blobs,
        bus=backend.bus,
        clock=backend.clock,
        directory=Directory(backend.store),
        transport=outbound.transport,
        sites=outbound.routes,
        schedules=RouteSchedules(outbound.book, schedule),
        suppression=SuppressionRules(settings.suppression.bounces, settings.suppression.keep),
    )
    worker_settings = WorkerSettings(
        name=f"{socket.gethostname()}/worker-{number}",
        hostname=settings.server.hostname,
        schedule=schedule,
        concurrency=times.concurrency,
        drain_time=DRAIN_SECONDS,
    )
    return QueueWorker(services, worker_settings), outbound


async def wait_for_refusal(store: Store) -> None:
    """Raises StoreUnavailable once the store refuses everything; nothing of what it held is lost by then."""
    while not store.refusal:  # noqa: ASYNC110 - it may fail in any thread, and is asked instead
        await asyncio.sleep(STORE_WATCH_SECONDS)
    raise StoreUnavailable(store.refusal)
