"""Members of the channel lane without chain and Ray: real keys, views and stores, a scripted model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from mlbridge.protocol import agreed, exchange, fetching, signatures, wire
from mlbridge.protocol.exchange import Answer, ClosedSet, Offer, Pledge, Refusal, Revealed
from mlbridge.protocol.fetching import AnswerRequest, Handed
from mlbridge.protocol.hashing import keccak, payload_root
from mlbridge.protocol.orders712 import Attestation, ChannelTerms, Commitment, Domain, TaskOrder
from mlbridge.protocol.types import Policy
from mlbridge.storage import ContentStore
from serve.engines.base import Hear
from serve.lane.admission import Admission, AdmissionRules, Wallets
from serve.lane.faults import conduct_for
from serve.lane.member import LaneMember, Model
from serve.lane.settings import LaneFault
from serve.lane.signer import Signer
from serve.lane.store import LaneStore
from serve.lane.view import ChannelRow, LaneRules, View, ViewWriter
from tests.support.fake_serve import FakeRecorder

MODEL: Final = keccak(b"model")
DOMAIN: Final = Domain(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
REQUESTER, COORDINATOR = keccak(b"requester"), keccak(b"coordinator")
EPOCH_SECONDS: Final = 300
EPOCH: Final = 7
GENESIS: Final = 1_000_000_000
NOW: Final = GENESIS + EPOCH * EPOCH_SECONDS + 10
PRICE: Final = 10**9
FEE: Final = 10**12
DEPOSIT: Final = 10**15
SEED: Final = keccak(b"seed")
INPUT: Final = b"input"
ACCOUNTS: Final = (2, 4, 6)


def node_key(account: int) -> bytes:
    """The node key of an account's operator."""
    return keccak(b"node %d" % account)


def terms(salt: int = 0) -> ChannelTerms:
    """Of the channel with this salt."""
    parties = signatures.address_of(REQUESTER), signatures.address_of(COORDINATOR)
    return ChannelTerms(*parties, 2, 500, 500, salt.to_bytes(32, "big"))


def order_of(sequence: int = 0, *, salt: int = 0, content: bytes = INPUT, **changes: Any) -> TaskOrder:
    """An order that an honest member takes."""
    made = TaskOrder(
        channel=terms(salt).channel(),
        sequence=sequence,
        epoch=EPOCH,
        model_id=MODEL,
        input_digest=payload_root(content),
        params_digest=exchange.NO_PARAMETERS,
        seats=3,
        policy=Policy.EXACT,
        max_fee=FEE,
        deadline=NOW + 60,
    )
    return replace(made, **changes)


def offer_of(
    order: TaskOrder,
    *,
    salt: int = 0,
    content: bytes | str = INPUT,
    key: bytes = REQUESTER,
    stream: bytes | None = None,
) -> Offer:
    """The order signed and offered. stream: as in Offer; the order must name it."""
    return Offer(wire.sign(order, DOMAIN, key), terms(salt), content, stream)


def digest_of(order: TaskOrder) -> bytes:
    return order.digest(DOMAIN)


async def say(data: bytes) -> bytes:
    """The model: its output says what it read."""
    return b"read " + data


def write_view(path: Path, account: int, *, accounts: Sequence[int] = ACCOUNTS, channels: int = 1) -> None:
    """A chain on which the accounts weigh the same and channels have a deposit."""
    writer = ViewWriter(path)
    with writer:
        writer.put_rules(LaneRules(GENESIS, EPOCH_SECONDS, 600, 3, account))
        writer.put_head(100, NOW, time.time())
        writer.put_seed(EPOCH, SEED, 90)
        writer.put_price(MODEL, 3, signatures.address_of(REQUESTER), PRICE, 10)
        for one in accounts:
            writer.put_weight(MODEL, one, 3, 10_000, 10)
            writer.put_node(signatures.address_of(node_key(one)), one // 2)
        rows = [ChannelRow(terms(salt).channel(), DEPOSIT, 0, 0, 0, 0, 0, 0, 100) for salt in range(channels)]
        writer.put_channels(rows)
    writer.close()


@dataclass
class Seat:
    """One provider's seat; `again` opens it as another replica or after a restart would."""

    folder: Path
    account: int
    fault: LaneFault | None = None
    run: Callable[[bytes], Any] = say
    kind: str = "classification"
    speak: Callable[[bytes, Hear | None], Any] | None = None
    full: Callable[[], bool] = lambda: False
    wallets: Wallets | None = None
    content: ContentStore | None = None
    coordinators: frozenset[str] | None = None
    seat_fee: int = 0
    clock: Callable[[], float] = time.time
    recorder: FakeRecorder = field(default_factory=FakeRecorder)

    def __post_init__(self) -> None:
        self.view = View(self.folder / "view.sqlite", MODEL, stale_s=3600)
        self.store = LaneStore(self.folder / "lane.sqlite", clock=self.clock)
        rules = AdmissionRules(DOMAIN, MODEL, self.coordinators, self.seat_fee, 1.0, 3600, 60)
        self.member = LaneMember(
            Model(self.kind, self.speak or self._run, self.full),
            Admission(rules, self.view, self.wallets),
            self.view,
            self.store,
            Signer(node_key(self.account), DOMAIN),
            self.content,
            self.recorder,
            conduct_for(self.fault),
            clock=self.clock,
        )

    async def _run(self, data: bytes, _: Hear | None) -> bytes:
        made: bytes = await self.run(data)
        return made

    def again(self, **changes: Any) -> Seat:
        """The same provider, opened once more."""
        return replace(self, recorder=FakeRecorder(), **changes)

    def chain(self) -> ViewWriter:
        """To change what the chain says."""
        return ViewWriter(self.folder / "view.sqlite")

    async def commit(self, *offers: Offer | bytes, key: bytes = COORDINATOR, at: int = NOW) -> list[Answer]:
        """What it answers to offers at a time of the chain."""
        body = exchange.join([item if isinstance(item, bytes) else item.to_bytes() for item in offers])
        header = self.header(body, key, expires=at + 30)
        return self._read(await self.member.orders(header, body))

    async def reveal(self, *closed: ClosedSet | bytes, key: bytes = COORDINATOR) -> list[Answer]:
        """What it answers to closed sets."""
        body = exchange.join([item if isinstance(item, bytes) else item.to_bytes() for item in closed])
        return self._read(await self.member.reveals(self.header(body, key), body))

    async def stream(self, order: bytes, key: bytes = COORDINATOR) -> AsyncIterator[bytes]:
        """What it streams of an order's answer."""
        body = exchange.join([order])
        return await self.member.stream(self.header(body, key), body)

    async def given(self, *orders: bytes) -> list[Answer]:
        """What it tells anybody."""
        return self._read(await self.member.attestations(exchange.join(list(orders))))

    async def answer(
        self,
        order: bytes,
        key: bytes = REQUESTER,
        *,
        account: int | None = None,
        expires: int = NOW + 30,
        sealed_to: bytes | None = None,
    ) -> Handed | Refusal:
        """What it hands over to whoever has the key. sealed_to: another X25519 key in the request."""
        secret, public = agreed.new_key()
        seat = self.account if account is None else account
        request = AnswerRequest(order, seat, sealed_to or public, expires)
        body = fetching.write_request(wire.sign(request, DOMAIN, key))
        return fetching.read_answer(await self.member.answers(body), request, secret)

    def header(self, body: bytes, key: bytes = COORDINATOR, *, expires: int = NOW + 30) -> str:
        return exchange.sign_request(body, self.account, expires, DOMAIN, key)

    @staticmethod
    def _read(body: bytes) -> list[Answer]:
        return [exchange.read_answer(item) for item in exchange.split(body)]


def make_seat(folder: Path, account: int, **changes: Any) -> Seat:
    """A provider's seat in a folder of its own, with a view of the chain."""
    home = folder / str(account)
    home.mkdir(parents=True, exist_ok=True)
    write_view(home / "view.sqlite", account, **({"channels": changes.pop("channels", 1)}))
    return Seat(home, account, **changes)


async def closed_by(seats: Sequence[Seat], offer: Offer, *, silent: Sequence[int] = ()) -> ClosedSet:
    """The closed set after every seat but the silent ones committed to an offer."""
    speaking = [seat for seat in seats if seat.account not in silent]
    answers = await asyncio.gather(*(seat.commit(offer) for seat in speaking))
    pledges = [Pledge(account) for account in silent]
    for (answer,) in answers:
        assert isinstance(answer, wire.Signed), answer
        assert isinstance(answer.message, Commitment)
        pledges.append(Pledge.of(wire.Signed(answer.message, answer.signature)))
    pledges.sort(key=lambda pledge: pledge.account)
    return ClosedSet(digest_of(offer.order.message), tuple(pledges))


def attested(answer: Answer, account: int) -> Attestation:
    """The attestation in an answer, signed by the account's node key."""
    assert isinstance(answer, Revealed), answer
    assert answer.attestation.signer(DOMAIN) == signatures.address_of(node_key(account))
    return answer.attestation.message


def codes(answers: Sequence[Answer]) -> list[str]:
    """Codes of refusals, `ok` for what is none."""
    return [answer.code if isinstance(answer, exchange.Refusal) else "ok" for answer in answers]


def forget_channel(chain: ViewWriter) -> None:
    """The provider's view knows the channel no more."""
    chain.put_channels([], [terms().channel()])


def out_of_the_draw(chain: ViewWriter) -> None:
    """Accounts of such weight that nobody of ACCOUNTS is drawn."""
    for account, weight in ((8, 10**9), (10, 10**9), (12, 10**9)):
        chain.put_weight(order_of().model_id, account, EPOCH, weight, 99)
