"""The nouns put together: what `Store.reader` and the work of a transaction get to see."""

from __future__ import annotations

from postier.store.sql.acme import AcmeReader, AcmeTx
from postier.store.sql.annotations import AnnotationReader, AnnotationTx
from postier.store.sql.arrivals import ArrivalTx
from postier.store.sql.audit import AuditReader, AuditTx
from postier.store.sql.blobs import BlobReader, BlobTx
from postier.store.sql.certificates import CertificateReader, CertificateTx
from postier.store.sql.devices import DeviceReader, DeviceTx
from postier.store.sql.directories import LdapDirectoryReader, LdapDirectoryTx
from postier.store.sql.directory import DirectoryReader
from postier.store.sql.factors import FactorReader, FactorTx
from postier.store.sql.greylist import GreylistReader, GreylistTx
from postier.store.sql.journal import JournalReader, JournalTx
from postier.store.sql.logins import LoginReader, LoginTx
from postier.store.sql.mailboxes import MailboxTx
from postier.store.sql.meta import MetaReader, MetaTx
from postier.store.sql.queue import QueueReader, QueueTx
from postier.store.sql.queue_totals import QueueTotalsReader
from postier.store.sql.report_sending import ReportSendingReader, ReportSendingTx
from postier.store.sql.reports import ReportReader, ReportTx
from postier.store.sql.resting import RestingReader
from postier.store.sql.rights import RightsReader, RightsTx
from postier.store.sql.routing import RoutingReader, RoutingTx
from postier.store.sql.search import SearchReader
from postier.store.sql.sending import SentReader, SentTx
from postier.store.sql.steps import StepReader, StepTx
from postier.store.sql.suppressions import SuppressionReader, SuppressionTx
from postier.store.sql.transport_security import TransportSecurityReader, TransportSecurityTx
from postier.store.sql.uid_cache import UidReader

__all__ = ["SqlReader", "SqlTx"]


class SqlReader(
    DirectoryReader,
    UidReader,
    RestingReader,
    SearchReader,
    RightsReader,
    AnnotationReader,
    JournalReader,
    BlobReader,
    QueueReader,
    QueueTotalsReader,
    StepReader,
    MetaReader,
    RoutingReader,
    GreylistReader,
    SuppressionReader,
    SentReader,
    TransportSecurityReader,
    CertificateReader,
    LoginReader,
    FactorReader,
    ReportSendingReader,
    ReportReader,
    DeviceReader,
    AcmeReader,
    AuditReader,
    LdapDirectoryReader,
):
    """`store.api.Reader` over a connection that sees what is committed."""


class SqlTx(
    LoginTx,
    FactorTx,
    LdapDirectoryTx,
    MailboxTx,
    ArrivalTx,
    SearchReader,
    RightsTx,
    AnnotationTx,
    JournalTx,
    BlobTx,
    QueueTx,
    QueueTotalsReader,
    StepTx,
    MetaTx,
    RoutingTx,
    GreylistTx,
    SuppressionTx,
    SentTx,
    TransportSecurityTx,
    CertificateTx,
    ReportSendingTx,
    ReportTx,
    DeviceTx,
    AcmeTx,
    AuditTx,
):
    """`store.api.Tx` over a connection that is inside a transaction."""
