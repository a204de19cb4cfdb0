"""What comes to the coordinator's side of an order, what it keeps, and what it has done."""

from __future__ import annotations

from dataclasses import dataclass

from mlbridge.protocol.course import Accuse, End, Keep, Send, Settle
from mlbridge.protocol.evidence import Evidence
from mlbridge.protocol.orders712 import Attestation, Commitment
from mlbridge.protocol.wire import Signed

# ---- events ----


@dataclass(frozen=True, slots=True)
class Accepted:
    """The requester's order was checked (protocol/admission.py). now: unix seconds."""

    now: float


@dataclass(frozen=True, slots=True)
class Committed:
    """A member's commitment came in."""

    signed: Signed[Commitment]


@dataclass(frozen=True, slots=True)
class Attested:
    """A member's attestation came in. now: unix seconds."""

    signed: Signed[Attestation]
    now: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. now: unix seconds."""

    now: float


Event = Accepted | Committed | Attested | Tick

# ---- records and effects ----


@dataclass(frozen=True, slots=True)
class Begun:
    """Record: the order is ours to do."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Record: the closed set. words: of all seats in the order of their accounts, SILENT for those missing;
    commitments: what those who are not silent signed.
    """

    words: tuple[bytes, ...]
    commitments: tuple[Signed[Commitment], ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """Record: an attestation that opens its commitment."""

    signed: Signed[Attestation]


@dataclass(frozen=True, slots=True)
class Decided:
    """Record: the verdict. at: unix seconds."""

    result: bytes
    confidence: int
    at: float


@dataclass(frozen=True, slots=True)
class Over:
    """Record: nothing more to do. settled: it goes to a batch; reason: for people."""

    settled: bool
    reason: str


Record = Begun | Closed | Counted | Decided | Over | Accuse


@dataclass(frozen=True, slots=True)
class Ask:
    """Send order and input to members. to: accounts."""

    to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give the requester its answer. confidence: share of the weight, basis points."""

    result: bytes
    confidence: int


@dataclass(frozen=True, slots=True)
class Show:
    """Send to members what settles the order, so that each can see to its own pay. to: accounts."""

    evidence: Evidence
    to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReportDissent:
    """A seat attested another result than the verdict: record it on chain, with what settles the order."""

    evidence: Evidence
    attestation: Signed[Attestation]


@dataclass(frozen=True, slots=True)
class OpenCase:
    """No verdict can come of this lane: the input goes to the direct lane, where judges decide.

    attestations: what the seats signed, as evidence.
    """

    reason: str
    attestations: tuple[Signed[Attestation], ...]


Effect = Ask | Keep | Send | Deliver | Settle | Show | ReportDissent | Accuse | OpenCase | End
