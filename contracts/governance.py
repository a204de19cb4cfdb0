"""Take part in governance: propose, vote, delegate, queue, execute, veto, and read where proposals stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_utils.address import to_checksum_address
from web3.contract import AsyncContract
from web3.types import TxReceipt

from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.events import Event, decode_all, topic_of
from contracts.handover import addresses_of, open_contract
from contracts.proposals import Call, Category, ProposalInfo, ProposalState, Support, id_text
from contracts.sender import Sender
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import keccak


class Governance:
    """A connection to the contracts that govern a deployment. Raises MLBridgeError `governance.none`."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.addresses = addresses_of(chain.network)
        self.governor = self._open(artifacts.GOVERNOR)
        self.timelock = self._open(artifacts.TIMELOCK)
        self.roll = self._open(artifacts.ROLL)

    def _open(self, name: str) -> AsyncContract:
        return open_contract(self.chain, name, self.addresses[name])

    # ---- taking part ----

    async def propose(
        self, sender: Sender, calls: Sequence[Call], description: str, category: Category | None = None
    ) -> int:
        """Propose and return the proposal's id. category None: what the calls require.

        The description gets the sender's name in the form that the governor reserves for it, so that nobody
        can propose the same first and take it back. Raises ContractError: WrongCategory,
        GovernorInsufficientProposerVotes.
        """
        lists = _as_lists(calls)
        description = f"{description}\n#proposer={sender.address.lower()}"
        functions = self.governor.functions
        if category is None:
            receipt = await sender.send(functions.propose(*lists, description))
        else:
            receipt = await sender.send(functions.proposeIn(int(category), *lists, description))
        created = self._events(receipt, "ProposalCreated")
        return int(created[0].args["proposalId"])

    async def vote(self, sender: Sender, proposal_id: int, support: Support, reason: str = "") -> int:
        """Vote and return the vote's weight. Raises ContractError: NoVotingPower and others."""
        functions = self.governor.functions
        if reason:
            receipt = await sender.send(functions.castVoteWithReason(proposal_id, int(support), reason))
        else:
            receipt = await sender.send(functions.castVote(proposal_id, int(support)))
        return int(self._events(receipt, "VoteCast")[0].args["weight"])

    async def delegate(self, sender: Sender, to: str) -> TxReceipt:
        """Have all MLB of the sender, now and later, count for `to`. Only delegated MLB votes at all."""
        return await sender.send(self.chain.token.functions.delegate(to_checksum_address(to)))

    async def enrol(self, sender: Sender) -> TxReceipt:
        """Enter the sender's stake in the roll of quadratic voters. Raises ContractError."""
        return await sender.send(self.roll.functions.enrol())

    async def queue(self, sender: Sender, proposal_id: int) -> int:
        """Queue a proposal that was won; returns from when it may be executed (unix seconds)."""
        arguments = await self._arguments(proposal_id)
        await sender.send(self.governor.functions.queue(*arguments))
        return int(await reads.call(self.governor.functions.proposalEta(proposal_id)))

    async def execute(self, sender: Sender, proposal_id: int) -> TxReceipt:
        """Carry out a proposal whose delay is over. Raises ContractError: TimelockUnmet and others."""
        arguments = await self._arguments(proposal_id)
        return await sender.send(self.governor.functions.execute(*arguments))

    async def cancel(self, sender: Sender, proposal_id: int) -> TxReceipt:
        """The guardian's veto, or a proposer's change of mind before the vote. Raises ContractError."""
        arguments = await self._arguments(proposal_id)
        return await sender.send(self.governor.functions.cancel(*arguments))

    async def emergency_pause(self, sender: Sender, target: str) -> TxReceipt:
        """Stop new work at a contract; by the guardian. Raises ContractError `NotGuardian`."""
        return await sender.send(self.governor.functions.emergencyPause(to_checksum_address(target)))

    # ---- reading ----

    async def votes_of(self, account: str) -> int:
        """MLB (18 decimals) that an account votes with now."""
        return int(await reads.call(self.chain.token.functions.getVotes(account)))

    async def state(self, proposal_id: int) -> ProposalState:
        """Where a proposal stands. Raises ContractError `GovernorNonexistentProposal`."""
        return ProposalState(await reads.call(self.governor.functions.state(proposal_id)))

    async def get(self, proposal_id: int) -> ProposalInfo:
        """A proposal by id. Raises MLBridgeError `proposal.unknown`."""
        return await self._info(await self._created(proposal_id))

    async def proposals(self) -> list[ProposalInfo]:
        """Every proposal, oldest first."""
        return [await self._info(event) for event in await self._all_created()]

    async def _info(self, event: Event) -> ProposalInfo:
        args, functions = event.args, self.governor.functions
        proposal_id = int(args["proposalId"])
        state = await self.state(proposal_id)
        category, terms = await reads.call(functions.proposalTerms(proposal_id))
        against, for_, abstain = await reads.call(functions.proposalVotes(proposal_id))
        open_ = int(args["voteStart"]) < (await self.chain.head()).timestamp
        return ProposalInfo(
            id=proposal_id,
            proposer=args["proposer"],
            category=Category(category),
            quadratic=bool(terms[5]),
            state=state,
            description=args["description"],
            calls=tuple(
                Call(target, value, bytes(data))
                for target, value, data in zip(
                    args["targets"], args["values"], args["calldatas"], strict=True
                )
            ),
            snapshot=int(args["voteStart"]),
            deadline=int(await reads.call(functions.proposalDeadline(proposal_id))),
            eta=int(await reads.call(functions.proposalEta(proposal_id))),
            against=against,
            for_=for_,
            abstain=abstain,
            quorum=int(await reads.call(functions.proposalQuorum(proposal_id))) if open_ else None,
        )

    async def _arguments(self, proposal_id: int) -> tuple[Any, ...]:
        """What queue, execute and cancel take: the calls again, and the hash of the description."""
        args = (await self._created(proposal_id)).args
        return (
            args["targets"],
            args["values"],
            args["calldatas"],
            keccak(str(args["description"]).encode()),
        )

    async def _created(self, proposal_id: int) -> Event:
        for event in await self._all_created():
            if event.args["proposalId"] == proposal_id:
                return event
        raise MLBridgeError(
            "proposal.unknown",
            f"There is no proposal {id_text(proposal_id)} on {self.chain.network.name}.",
            hint="See the proposals with `mlbridge gov list`.",
            exit_code=5,
        )

    async def _all_created(self) -> list[Event]:
        topics: list[object] = [topic_of(artifacts.GOVERNOR, "ProposalCreated")]
        return await reads.find_events(self.chain, topics, [str(self.governor.address)])

    def _events(self, receipt: TxReceipt, name: str) -> list[Event]:
        logs: Any = receipt["logs"]
        return [event for event in decode_all(logs, self.chain.contract_names) if event.name == name]


def _as_lists(calls: Sequence[Call]) -> tuple[list[str], list[int], list[bytes]]:
    return [c.target for c in calls], [c.value for c in calls], [c.data for c in calls]
