"""An order's answer from its seats themselves, where its coordinator does not bring it.

Who the seats are follows from the seed; where they answer, nodes' pages say, which may lie. What is put
together here is then held to the chain exactly as a coordinator's answer is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import httpx2
import structlog

from contracts.summons import seat_proofs
from mlbridge.errors import MLBridgeError
from mlbridge.outside import ask
from mlbridge.protocol import agreed, fetching, wire
from mlbridge.protocol.answers import Told
from mlbridge.protocol.committee import seated
from mlbridge.protocol.evidence import Facts, SeatProof, passes
from mlbridge.protocol.exchange import Offer, Refusal
from mlbridge.protocol.fetching import AnswerRequest, Handed
from mlbridge.protocol.nodepage import MAX_PAGE, Key, claims
from mlbridge.protocol.orders712 import TaskOrder
from mlbridge.sdk.lane_receipt import text

log = structlog.get_logger(__name__)

PATIENCE_S: Final = 5.0
"""Seconds for a seat's answer."""
PAGE_PATIENCE_S: Final = 3.0
PAGES_S: Final = 30.0
"""Seconds for which pages are not read again."""
VALID_S: Final = fetching.LONGEST_S // 2
"""Of a request's signature: half of what members take, for clocks that differ."""
MOST_NODES: Final = 1_024
MOST_CLAIMS: Final = 16
"""Endpoints that are asked for one account: anybody may claim it."""
_AT_ONCE: Final = 128
_CBOR: Final = {"Content-Type": "application/cbor"}

Nodes = Callable[[], Awaitable[Collection[str]]]


class Chain(Protocol):
    """What is asked of the chain; a LaneView is one."""

    @property
    def facts(self) -> Facts:
        """What evidence is held to."""
        ...

    def now(self) -> float:
        """Unix seconds."""
        ...

    async def seed(self, epoch: int) -> bytes | None:
        """An epoch's seed."""
        ...


@dataclass
class Look:
    """What the seats of an order said when they were asked. told: their verdict as a coordinator would tell
    it, None if they have none.

    committee: accounts; claimed: those of which a node is known; handed: right answers by account; waiting:
    who committed and was shown no closed set; unknown: who has no such order, or said nothing that holds.
    """

    order: bytes
    committee: tuple[int, ...]
    claimed: frozenset[int] = frozenset()
    handed: dict[int, Handed] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    told: Told | None = None

    @property
    def lost(self) -> tuple[int, ...]:
        """Seats that were not reached."""
        heard = self.handed.keys() | self.waiting | self.unknown
        return tuple(account for account in self.committee if account not in heard)

    def missing(self) -> MLBridgeError:
        """Why there is no answer."""
        order = text(self.order)
        if not self.claimed:
            return MLBridgeError(
                "fetch.no_nodes",
                f"This machine knows no node of the seats of order {order}: accounts "
                f"{', '.join(map(str, self.committee))}.",
                hint="Name nodes of providers: --node URL (nodes= in code), or nodes in the network's file.",
                exit_code=5,
            )
        return MLBridgeError(
            "fetch.no_verdict",
            f"Of the {len(self.committee)} seats of order {order} {len(self.handed)} gave an answer, "
            f"{len(self.waiting)} were shown no closed set, {len(self.unknown)} have no such order and "
            f"{len(self.lost)} were not reached: that is no verdict.",
            hint="Ask again, or name more nodes: --node URL. An order without a verdict costs nothing, and "
            "its seats can be summoned: mlbridge channel summon ORDER",
            exit_code=5,
            handed=sorted(self.handed),
            waiting=sorted(self.waiting),
            unknown=sorted(self.unknown),
            lost=list(self.lost),
        )


class SeatDoors:
    """Asks seats of a requester's orders. key: the requester's, 32 bytes; nodes: base URLs of provider nodes;
    more: others, which take longer to find out and are asked for where those are not enough.
    """

    def __init__(self, chain: Chain, key: bytes, nodes: Nodes, more: Nodes) -> None:
        self._chain, self._key = chain, key
        self._nodes, self._more = nodes, more
        self._pages: dict[str, tuple[float, dict[Key, str]]] = {}
        self._reading = asyncio.Lock()
        self._http: httpx2.AsyncClient | None = None

    async def close(self) -> None:
        """Let go of connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def fetch(self, offer: Offer) -> Told:
        """The seats' verdict. Raises MLBridgeError `fetch.no_nodes`, `fetch.no_verdict`, `lane.no_seed`."""
        look = await self.look(offer, thorough=True)
        if look.told is None:
            raise look.missing()
        return look.told

    async def look(self, offer: Offer, *, thorough: bool = False) -> Look:
        """Ask every seat once. thorough: hear all, also where those that are left can make no verdict.

        Raises MLBridgeError `lane.no_seed`, `committee.too_few`.
        """
        order, facts = offer.order.message, self._chain.facts
        seed = await self._chain.seed(order.epoch)
        if seed is None:
            raise MLBridgeError(
                "lane.no_seed",
                f"Epoch {order.epoch} has no seed, so nobody was drawn for the order.",
                exit_code=6,
            )
        committee = seated(order, seed, facts.snapshots)
        urls = await self._endpoints(committee, order.model_id)
        claimed = frozenset(account for account in committee if urls[account])
        look = Look(order.digest(facts.domain), tuple(committee), claimed)
        asked = {
            asyncio.create_task(self._seat(look, account, urls[account]), name="lane-fetch"): account
            for account in claimed
        }
        try:
            while look.told is None and asked:
                if not thorough and not self._passes(order, committee, self._left(look, asked)):
                    break
                done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del asked[task]
                    await task
                look.told = self._verdict(look, order)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return look

    @staticmethod
    def _left(look: Look, asked: Mapping[asyncio.Task[None], int]) -> Collection[int]:
        """Who may still be part of a verdict."""
        return look.handed.keys() | set(asked.values())

    def _passes(self, order: TaskOrder, committee: Sequence[int], told: Collection[int]) -> bool:
        snapshots = self._chain.facts.snapshots
        weights = [snapshots.weight(order.model_id, order.epoch, account) for account in committee]
        seats = [SeatProof(account, bytes(32), b"s" if account in told else b"") for account in committee]
        return passes(seats, weights)

    def _verdict(self, look: Look, order: TaskOrder) -> Told | None:
        groups: dict[tuple[bytes, bytes], dict[int, Handed]] = {}
        for account, handed in look.handed.items():
            said = handed.attestation.message
            groups.setdefault((said.result, said.commitments), {})[account] = handed
        for (result, _), group in groups.items():
            if self._passes(order, look.committee, group):
                first = next(iter(group.values()))
                words = [seat.word for seat in first.closed.seats]
                told = {account: handed.attestation for account, handed in group.items()}
                seats = seat_proofs(look.committee, words, told, result)
                return Told("decided", result, 0, seats, first.output)
        return None

    # ---- one seat ----

    async def _seat(self, look: Look, account: int, urls: Sequence[str]) -> None:
        """Ask whoever claims the account: the first right answer stands, whatever the others say."""
        tasks = [asyncio.create_task(self._ask(look, account, url)) for url in urls]
        refused: list[Refusal] = []
        try:
            for first in asyncio.as_completed(tasks):
                answer = await first
                if isinstance(answer, Handed):
                    look.handed[account] = answer
                    return
                if answer is not None:
                    refused.append(answer)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if any(refusal.code == "lane.not_attested" for refusal in refused):
            look.waiting.add(account)
        elif refused:
            look.unknown.add(account)

    async def _ask(self, look: Look, account: int, url: str) -> Handed | Refusal | None:
        """What one endpoint says; None: it was not reached."""
        secret, key = agreed.new_key()
        facts = self._chain.facts
        request = AnswerRequest(look.order, account, key, int(self._chain.now()) + VALID_S)
        body = fetching.write_request(wire.sign(request, facts.domain, self._key))
        try:
            answer = await ask(
                self._client(),
                "POST",
                f"{url}/v1/lane/answers",
                content=body,
                headers=_CBOR,
                max_bytes=fetching.MAX_ANSWER_BYTES,
                patience_s=PATIENCE_S,
            )
            if answer.status != httpx2.codes.OK:
                return Refusal("seat.http", f"It answered with status {answer.status}.")
            found = fetching.read_answer(answer.body, request, secret)
        except MLBridgeError as error:
            log.info("seat_not_read", account=account, url=url, reason=error.message)
            return None if error.code == "outside.silent" else Refusal("seat.lie", error.message)
        if isinstance(found, Handed) and not _holds(found, look, account, facts):
            log.warning("seat_not_believed", account=account, url=url)
            return Refusal("seat.lie", "What it hands over does not hold.")
        return found

    # ---- where they are ----

    async def _endpoints(self, committee: Sequence[int], model: bytes) -> dict[int, list[str]]:
        """Where each seat's model may answer."""
        async with self._reading:
            await self._read(await self._nodes())
            if not all(self._claimed(account, model) for account in committee):
                await self._read(await self._more())
        return {account: self._claimed(account, model) for account in committee}

    def _claimed(self, account: int, model: bytes) -> list[str]:
        found = (said.get((account, model)) for _, said in self._pages.values())
        return list(dict.fromkeys(url for url in found if url is not None))[:MOST_CLAIMS]

    async def _read(self, nodes: Iterable[str]) -> None:
        now = asyncio.get_running_loop().time()
        named = list(dict.fromkeys(_base(node) for node in nodes))[:MOST_NODES]
        old = [node for node in named if now - self._pages.get(node, (-PAGES_S, {}))[0] >= PAGES_S]
        for start in range(0, len(old), _AT_ONCE):
            await asyncio.gather(*(self._page(node, now) for node in old[start : start + _AT_ONCE]))

    async def _page(self, node: str, now: float) -> None:
        """Read what a node says; one that does not answer keeps what it said last."""
        said = self._pages.get(node, (now, {}))[1]
        try:
            answer = await ask(
                self._client(), "GET", f"{node}/node", max_bytes=MAX_PAGE, patience_s=PAGE_PATIENCE_S
            )
            said = dict(claims(answer.json(), node))
        except (MLBridgeError, KeyError, TypeError, ValueError) as error:
            log.info("node_page_unreadable", node=node, reason=str(error) or type(error).__name__)
        self._pages[node] = now, said

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            self._http = httpx2.AsyncClient(timeout=PATIENCE_S)
        return self._http


def _base(node: str) -> str:
    """Without the page that a provider's file names."""
    return node.rstrip("/").removesuffix("/node")


def _holds(handed: Handed, look: Look, account: int, facts: Facts) -> bool:
    """Whether a key of the seat's operator signed it, and all of it belongs together."""
    if not handed.is_of(look.order, list(look.committee), account, facts.domain):
        return False
    try:
        node = handed.attestation.signer(facts.domain)
    except MLBridgeError:
        return False  # not a signature at all
    return facts.operators.get(node, 0) == account // 2
