"""Cases with planted wrong results: each step of Decoys.sol. See docs/design/verdict.md, "Decoys".

Amounts in MLB with 18 decimals, times in unix seconds. Doors raise what a Sender raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from web3.contract.async_contract import AsyncContractFunction

from contracts import artifacts, reads
from contracts.ballots import ballot_of
from contracts.chain import Chain
from contracts.errors import ContractError, describe
from contracts.events import Event, decode_all, topic_of
from contracts.handover import open_contract
from contracts.sender import Sender
from contracts.slashes import review_addresses
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content
from mlbridge.protocol.decoys import CANDIDATES

_ALL = (1 << CANDIDATES) - 1


class Phase(IntEnum):
    """Where a case stands; same order as IDecoys.sol."""

    NONE = 0
    ARMED = 1
    SUBMITTING = 2
    JUDGING = 3
    OPENING = 4
    ENDED = 5


@dataclass(frozen=True, slots=True)
class Author:
    """Of a model. anchor: hash of its next secret, 32 bytes; busy: in a case that runs."""

    anchor: bytes
    busy: bool
    listed: bool


@dataclass(frozen=True, slots=True)
class DecoyCase:
    """A case; fields as in IDecoys.Case. Masks have bit i for candidate i; until: block number while ARMED,
    unix seconds after; authors: account ids, 0 before their draw.
    """

    phase: Phase
    submitted: int
    opened: int
    decoys: int
    accepted: int
    rejected: int
    model: int
    until: int
    fee: int
    model_id: bytes
    input_hash: bytes
    seed: bytes
    votes: bytes
    authors: tuple[int, ...]
    roots: tuple[bytes, ...]


class Decoys:
    """The decoys of a deployment. Raises MLBridgeError `reviews.none`."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.address = review_addresses(chain.network).decoys
        self._contract = open_contract(chain, artifacts.DECOYS, self.address)

    # ---- reading ----

    async def case(self, case_id: int) -> DecoyCase:
        """A case by number. Raises MLBridgeError `decoys.unknown`."""
        raw = await reads.call(self._contract.functions.cases(case_id))
        if not raw[0]:
            raise MLBridgeError(
                "decoys.unknown",
                f"There is no case {case_id} of decoys on {self.chain.network.name}.",
                hint="`mlbridge decoys open MODEL INPUT` begins one and prints its number.",
                exit_code=5,
            )
        numbers, words = (int(one) for one in raw[1:9]), (bytes(one) for one in raw[9:13])
        submitted, opened, decoys, accepted, rejected, model, until, fee = numbers
        model_id, input_hash, seed, votes = words
        return DecoyCase(
            phase=Phase(raw[0]),
            submitted=submitted,
            opened=opened,
            decoys=decoys,
            accepted=accepted,
            rejected=rejected,
            model=model,
            until=until,
            fee=fee,
            model_id=model_id,
            input_hash=input_hash,
            seed=seed,
            votes=votes,
            authors=tuple(int(account) for account in raw[13]),
            roots=tuple(bytes(root) for root in raw[14]),
        )

    async def author(self, model_id: bytes, account: int) -> Author:
        """An author of a model; not listed if it is none."""
        anchor, busy, index = await reads.call(self._contract.functions.authors(model_id, account))
        return Author(bytes(anchor), bool(busy), bool(index))

    async def author_count(self, model_id: bytes) -> int:
        """Authors that listed themselves for a model; a draw needs three."""
        return int(await reads.call(self._contract.functions.authorCount(model_id)))

    async def funds(self) -> int:
        """MLB from which authors are paid."""
        return int(await reads.call(self.chain.token.functions.balanceOf(self.address)))

    async def input_of(self, case_id: int) -> bytes:
        """The case's input, tagged."""
        (opened,) = (await self._events("CaseOpened", case_id))[-1:]
        return bytes(opened.args["inputData"])

    async def candidates(self, case_id: int) -> dict[int, bytes]:
        """The results that were brought, tagged, by place."""
        told = await self._events("CandidateBrought", case_id)
        return {int(event.args["index"]): bytes(event.args["result"]) for event in told}

    async def review(self, case_id: int) -> bytes | None:
        """The panel's task; None before it was called."""
        told = await self._events("PanelCalled", case_id)
        return bytes(told[-1].args["reviewId"]) if told else None

    async def ending(self, case_id: int) -> int | None:
        """Careless votes of an ended case; None for one that came to nothing, or has not ended."""
        told = await self._events("CaseEnded", case_id)
        return int(told[-1].args["careless"]) if told else None

    # ---- authors ----

    async def enlist(self, sender: Sender, model_id: bytes, account: int, anchor: bytes) -> None:
        """Become an author, or begin a new chain, as the account's operator."""
        await sender.send(self._contract.functions.enlist(model_id, account, anchor))

    async def retire(self, sender: Sender, model_id: bytes, account: int) -> None:
        """Leave a model's list; again changes nothing."""
        if (await self.author(model_id, account)).listed:
            await sender.send(self._contract.functions.retire(model_id, account))

    async def bring(self, sender: Sender, case_id: int, index: int, payload: bytes) -> None:
        """Bring the result of author `index`; again changes nothing."""
        call = self._contract.functions.bring(case_id, index, content.inline(payload))
        await self._once(sender, call)

    async def open_secret(self, sender: Sender, case_id: int, index: int, secret: bytes) -> None:
        """Open the secret of author `index`; anyone who knows it; again changes nothing."""
        await self._once(sender, self._contract.functions.openSecret(case_id, index, secret))

    # ---- anyone ----

    async def open(self, sender: Sender, model_id: bytes, payload: bytes) -> int:
        """Begin a case about a model; its number."""
        receipt = await sender.send(self._contract.functions.openCase(model_id, content.inline(payload)))
        events = decode_all(receipt["logs"], self.chain.contract_names)
        return next(int(event.args["caseId"]) for event in events if event.name == "CaseOpened")

    async def draw(self, sender: Sender, case_id: int) -> None:
        """Draw the authors, once the block is known. Void if they are too few."""
        case = await self.case(case_id)
        if case.phase is not Phase.ARMED:
            return
        if (await self.chain.head()).number <= case.until:
            raise describe("NotYet", {"until": case.until})
        await sender.send(self._contract.functions.drawAuthors(case_id))

    async def call_panel(self, sender: Sender, case_id: int) -> None:
        """Have a panel vote; void where an author brought nothing in time."""
        case = await self.case(case_id)
        if case.phase is not Phase.SUBMITTING:
            if case.phase is Phase.ARMED:
                raise describe("WrongPhase", {"caseId": case_id, "current": int(case.phase)})
            return
        if case.submitted != _ALL and (await self.chain.head()).timestamp <= case.until:
            raise describe("NotYet", {"until": case.until})
        brought = await self.candidates(case_id)
        results = [brought[place] for place in range(CANDIDATES)] if case.submitted == _ALL else []
        data = await self.input_of(case_id)
        await sender.send(self._contract.functions.callPanel(case_id, data, results))

    async def settle(self, sender: Sender, case_id: int) -> None:
        """Fine the careless and pay the authors, by what the panel's events say; again changes nothing.

        Raises MLBridgeError `decoys.no_ballot` where the node does not return those events.
        """
        case = await self.case(case_id)
        if case.phase is Phase.ENDED:
            return
        if case.phase is not Phase.OPENING:
            raise describe("WrongPhase", {"caseId": case_id, "current": int(case.phase)})
        if case.opened != _ALL and (await self.chain.head()).timestamp <= case.until:
            raise describe("NotYet", {"until": case.until})
        review = await self.review(case_id)
        ballot = None if review is None else ballot_of(await reads.task_events(self.chain, review))
        if ballot is None:
            raise MLBridgeError(
                "decoys.no_ballot",
                f"The node does not return what the panel of case {case_id} said.",
                hint="Use a node that keeps every event since the deployment.",
            )
        try:
            await sender.send(self._contract.functions.settle(case_id, *ballot.as_tuple()))
        except ContractError as error:
            # Somebody else was faster.
            if error.name != "WrongPhase" or (await self.case(case_id)).phase is not Phase.ENDED:
                raise

    async def fund(self, sender: Sender, amount: int) -> None:
        """Give MLB from which authors are paid; nobody gives them back."""
        await sender.send(self.chain.token.functions.transfer(self.address, amount))

    # ---- internal ----

    async def _once(self, sender: Sender, call: AsyncContractFunction) -> None:
        try:
            await sender.send(call)
        except ContractError as error:
            if error.name != "AlreadyDone":
                raise

    async def _events(self, name: str, case_id: int) -> Sequence[Event]:
        topics: list[object] = [topic_of(artifacts.DECOYS, name), "0x" + case_id.to_bytes(32, "big").hex()]
        return await reads.find_events(self.chain, topics, [self.address])
