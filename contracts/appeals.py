"""Appeals: have a slash judged again by a larger panel, and apply what it said.

See docs/design/direct-lane.md, "Appeal", for who may appeal what, and docs/design/channel-lane.md, "Dissent
cases", for orders of the channel lane. Amounts in MLB with 18 decimals.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from web3.contract.async_contract import AsyncContractFunction

from contracts import artifacts, reads
from contracts.case_record import CaseFile, case_file
from contracts.chain import Chain
from contracts.dissent_record import DissentFile, dissent_file
from contracts.errors import ContractError, describe
from contracts.events import Event, topic_of
from contracts.handover import open_contract
from contracts.reserves import fund_reserve
from contracts.sender import Sender
from contracts.slashes import CaseStatus, HeldSlash, review_addresses
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Policy


class Outcome(IntEnum):
    """What a panel said; same order as IAppeals.sol. CONCLUDED: it was applied."""

    NONE = 0
    PENDING = 1
    WON = 2
    LOST = 3
    UNDECIDED = 4
    CONCLUDED = 5


@dataclass(frozen=True, slots=True)
class AppealInfo:
    """One appeal. review_id: of the panel's task; outcome: what the panel said, PENDING while it works;
    concluded: whether that was applied.
    """

    review_id: bytes
    case_id: bytes
    appellant: str
    bond: int
    outcome: Outcome
    concluded: bool


@dataclass(frozen=True, slots=True)
class Price:
    """What an appeal takes now. seats: of the panel; bond: from the appellant; fees: of the panel, from the
    model's dispute reserve; reserve: what that one holds.
    """

    seats: int
    bond: int
    fees: int
    reserve: int


class Appeals:
    """The appeals of a deployment. Raises MLBridgeError `reviews.none`."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._address = review_addresses(chain.network).appeals
        self._contract = open_contract(chain, artifacts.APPEALS, self._address)

    # ---- reading ----

    async def of_case(self, case_id: bytes) -> AppealInfo | None:
        """The appeal of a held slash; None if nobody appealed."""
        events = await self._events("Appealed", None, "0x" + case_id.hex())
        return await self._info(events[-1]) if events else None

    async def get(self, review_id: bytes) -> AppealInfo:
        """An appeal by the id of its panel's task (32 bytes). Raises MLBridgeError `appeal.unknown`."""
        events = await self._events("Appealed", "0x" + review_id.hex())
        if not events:
            raise MLBridgeError(
                "appeal.unknown",
                f"There is no appeal 0x{review_id.hex()} on {self.chain.network.name}.",
                hint="`mlbridge slash show CASE` names the appeal of a slash.",
                exit_code=5,
            )
        return await self._info(events[-1])

    async def file_of(self, held: HeldSlash) -> CaseFile | DissentFile:
        """What the chain's events say of the case: of a task, or of an order of the channel lane.

        Raises ContractError `NotAppealable` for what no panel judges, MLBridgeError `appeal.no_record` where
        the node does not return every event of it.
        """
        if not held.appealable:
            raise describe("NotAppealable", {"caseId": held.id})
        if held.attested is not None:
            return await dissent_file(self.chain, held.case.task_id)
        task_id = held.case.task_id
        events, recorded = await asyncio.gather(
            reads.task_events(self.chain, task_id),
            reads.call(self.chain.tasks.functions.recordOf(task_id)),
        )
        if any(event.name == "TaskSubmitted" for event in events):
            found = case_file(events, held.case.model)
            if found.record.hash() == bytes(recorded):
                return found
        raise MLBridgeError(
            "appeal.no_record",
            f"The node's events of task 0x{task_id.hex()} are not all that the chain recorded of it.",
            hint="Use a node that keeps every event since the deployment.",
        )

    async def price(self, held: HeldSlash) -> Price:
        """What an appeal of this slash takes. Raises as `file_of`."""
        return await self._price(held, await self.file_of(held))

    async def _price(self, held: HeldSlash, file: CaseFile | DissentFile) -> Price:
        ledger = self.chain.distributor.functions
        largest = file.bench if isinstance(file, DissentFile) else file.record.largest
        seats = int(await reads.call(self._contract.functions.panelSize(largest)))
        bond, fee, reserve = await asyncio.gather(
            reads.call(self._contract.functions.bondFor(seats)),
            reads.call(ledger.judgeFee()),
            reads.call(ledger.disputeReserve(held.case.model)),
        )
        return Price(seats, int(bond), int(fee) * seats, int(reserve))

    # ---- acting ----

    async def open(
        self, sender: Sender, held: HeldSlash, *, most: int, fund: int = 0, result: bytes | None = None
    ) -> AppealInfo:
        """Appeal, as the operator of the slashed account; an appeal that was opened before is not paid again.

        most: bond to pay at most; fund: what to add to the model's dispute reserve at most, where it lacks
        the panel's fees; result: payload that the account attested, for an order of which no judge showed the
        same. Raises ContractError (`NotAppellant`, `NotAppealable`, `WindowClosed`, `WrongCaseStatus`,
        `TooFewJudges`), MLBridgeError `appeal.bond_too_high`, `appeal.no_judge_fees`, `appeal.no_tokens`,
        `appeal.no_result`, `appeal.other_result`.
        """
        before = await self.of_case(held.id)
        if before is not None:
            return before
        if sender.address != held.operator:
            raise describe("NotAppellant", {"caseId": held.id, "caller": sender.address})
        await self._require_open(held)
        file = await self.file_of(held)
        call = await self._call(held, file, result)
        price = await self._price(held, file)
        missing = max(0, price.fees - price.reserve)
        await self._require_funds(sender, price, most=most, fund=fund)
        if missing:
            await fund_reserve(self.chain, sender, held.case.model, missing)
        token = self.chain.token.functions
        if int(await reads.call(token.allowance(sender.address, self._address))) < price.bond:
            await sender.send(token.approve(self._address, price.bond))
        try:
            await sender.send(call)
        except ContractError as error:
            opened = await self.of_case(held.id) if error.name == "WrongCaseStatus" else None
            if opened is None:
                raise
            return opened
        return await self._require(held)

    async def conclude(self, sender: Sender, appeal: AppealInfo, held: HeldSlash) -> AppealInfo:
        """Apply what the panel said; anyone. What was applied before stays so.

        Raises MLBridgeError `appeal.pending` while the panel works.
        """
        if appeal.concluded:
            return appeal
        if appeal.outcome is Outcome.PENDING:
            task = "0x" + appeal.review_id.hex()
            raise MLBridgeError(
                "appeal.pending",
                f"The panel of appeal {task} has not decided yet.",
                hint=f"`mlbridge appeal show {task}` says how far it is; `mlbridge task poke` moves it on.",
                exit_code=6,
            )
        try:
            await sender.send(self._contract.functions.conclude(appeal.review_id, held.case.as_tuple()))
        except ContractError as error:
            # Anyone may conclude: somebody may have come first.
            if error.name != "NotDecided" or not (await self.get(appeal.review_id)).concluded:
                raise
        return await self.get(appeal.review_id)

    # ---- internal ----

    async def _call(
        self, held: HeldSlash, file: CaseFile | DissentFile, result: bytes | None
    ) -> AsyncContractFunction:
        case, doors = held.case, self._contract.functions
        if isinstance(file, DissentFile):
            if held.attested is None:
                raise describe("NotAppealable", {"caseId": held.id})
            mine = file.result_of(self.chain.chain_id, case.account, held.attested, result)
            return doors.appealDissent(case.as_tuple(), file.as_tuple(), file.input_data, mine)
        policy = Policy((await reads.call(self.chain.registry.functions.termsAt(case.model)))[1][3])
        return doors.appeal(
            case.as_tuple(),
            file.record.as_tuple(),
            file.record.accounts.index(case.account),
            file.input_data,
            file.opened[case.account],
            file.delivered() if policy is Policy.NUMERIC else b"",
        )

    async def _require_open(self, held: HeldSlash) -> None:
        if held.status is not CaseStatus.HELD or held.until is None:
            raise describe("WrongCaseStatus", {"caseId": held.id, "current": int(held.status)})
        if (await self.chain.head()).timestamp > held.until:
            raise describe("WindowClosed", {"caseId": held.id, "until": held.until})

    async def _require_funds(self, sender: Sender, price: Price, *, most: int, fund: int) -> None:
        """Before anything is sent: an approval would cost gas and come to nothing."""
        if price.bond > most:
            raise MLBridgeError(
                "appeal.bond_too_high",
                f"The bond is {_mlb(price.bond)} MLB now, more than your limit of {_mlb(most)} MLB.",
                hint=f"Raise the limit: --max-bond {_mlb(price.bond)} (most= in code).",
                exit_code=4,
                bond=price.bond,
            )
        missing = max(0, price.fees - price.reserve)
        if missing > fund:
            raise MLBridgeError(
                "appeal.no_judge_fees",
                f"The model's dispute reserve holds {_mlb(price.reserve)} MLB, and a panel of {price.seats} "
                f"takes {_mlb(price.fees)} MLB.",
                hint=f"Anybody may add what is missing: --fund-reserve {_mlb(missing)} (fund= in code).",
                exit_code=4,
                missing=missing,
            )
        balance = int(await reads.call(self.chain.token.functions.balanceOf(sender.address)))
        if balance < price.bond + missing:
            more = price.bond + missing - balance
            raise MLBridgeError(
                "appeal.no_tokens",
                f"{sender.address} holds {_mlb(balance)} MLB, and an appeal takes "
                f"{_mlb(price.bond + missing)} MLB.",
                hint=f"Send it {_mlb(more)} MLB.",
                exit_code=4,
                missing=more,
            )

    async def _require(self, held: HeldSlash) -> AppealInfo:
        found = await self.of_case(held.id)
        if found is None:
            raise MLBridgeError(
                "appeal.lost",
                f"The appeal of 0x{held.id.hex()} was sent, and the node does not show it.",
                hint="Look again with `mlbridge slash show`; opening it again pays nothing twice.",
            )
        return found

    async def _info(self, event: Event) -> AppealInfo:
        review_id = bytes(event.args["reviewId"])
        kept = await reads.call(self._contract.functions.appeals(review_id))
        outcome = Outcome(kept[4])
        concluded = outcome is Outcome.CONCLUDED
        if concluded:
            told = await self._events("AppealConcluded", "0x" + review_id.hex())
            outcome = Outcome(told[-1].args["outcome"])
        return AppealInfo(review_id, bytes(kept[2]), kept[0], int(kept[1]), outcome, concluded)

    async def _events(self, name: str, *topics: str | None) -> list[Event]:
        wanted: list[object] = [topic_of(artifacts.APPEALS, name), *topics]
        return await reads.find_events(self.chain, wanted, [self._address])


def _mlb(amount: int) -> str:
    """In whole MLB, exact, as an option takes it."""
    return f"{Decimal(amount).scaleb(-18).normalize():f}"
