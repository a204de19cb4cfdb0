"""A case of decoys played whole: authors, panel, secrets, fines."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode as abi_encode

from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.events import decode_all
from contracts.handover import open_contract
from contracts.sender import Sender
from mlbridge.protocol import content, hashing, votes
from mlbridge.protocol.payload import encode_input
from mlbridge.protocol.types import Role, Vote
from tests.support.seats import FAST, ScriptedMember, honest_label, make_members, scripts, until, wrong_label
from tests.support.tasks import IMAGE

INPUT = encode_input("classification", {"image": IMAGE["image"]})


@dataclass(frozen=True)
class Case:
    """Where a case stands once its panel is called. decoys: by candidate, which of them are."""

    id: int
    review: bytes
    decoys: tuple[bool, ...]

    @property
    def diligent(self) -> bytes:
        """The votes of whoever ran the model."""
        rule = {index: Vote.REJECT if decoy else Vote.ACCEPT for index, decoy in enumerate(self.decoys)}
        return votes.pack(rule)


class DecoyBench:
    """Authors of one model and the contract they work for."""

    def __init__(self, chain: Chain, bank: Sender, model: bytes) -> None:
        assert chain.network.reviews is not None
        self._chain, self._bank, self._model = chain, bank, model
        self._contract = open_contract(chain, artifacts.DECOYS, chain.network.reviews.decoys)
        self._authors: dict[int, tuple[ScriptedMember, bytes]] = {}

    async def enlist(self, count: int = 3) -> None:
        """Verifiers that list themselves as authors, each with one secret."""
        made = await make_members(
            self._chain, self._bank, self._model, scripts(honest=count), role=Role.VERIFIER, mlb=25_000
        )
        for author in made:
            secret = secrets.token_bytes(32)
            self._authors[author.account] = (author, secret)
            anchor = hashing.keccak(secret)
            await self._by(author, self._contract.functions.enlist(self._model, author.account, anchor))

    async def call_panel(self) -> Case:
        """Open a case, have its authors drawn and bring their candidates, and call the panel."""
        data = content.inline(INPUT)
        opened = await self._event(self._contract.functions.openCase(self._model, data), "CaseOpened")
        case, block = int(opened["caseId"]), int(opened["randomnessBlock"])
        await until(lambda: self._past(block))
        drawn = await self._event(self._contract.functions.drawAuthors(case), "AuthorsDrawn")
        decoys, results = [], []
        for index, account in enumerate(drawn["authors"]):
            author, secret = self._authors[account]
            lot = hashing.keccak(abi_encode(["bytes32", "bytes32"], [secret, drawn["seed"]]))
            decoys.append(int.from_bytes(lot, "big") % 10_000 < 5_000)
            results.append(content.inline((wrong_label if decoys[-1] else honest_label)(INPUT)))
            await self._by(author, self._contract.functions.bring(case, index, results[-1]))
        called = await self._event(self._contract.functions.callPanel(case, data, results), "PanelCalled")
        return Case(case, bytes(called["reviewId"]), tuple(decoys))

    async def settle(self, case: Case) -> int:
        """Open the secrets and settle; how many careless votes were fined."""
        state = await reads.call(self._contract.functions.cases(case.id))
        for index, account in enumerate(state[13]):
            author, secret = self._authors[account]
            await self._by(author, self._contract.functions.openSecret(case.id, index, secret))
        accounts, values, revealed = await self._ballot(case.review)
        ended = await self._event(
            self._contract.functions.settle(case.id, accounts, values, revealed), "CaseEnded"
        )
        return int(ended["careless"])

    async def _ballot(self, review: bytes) -> tuple[list[int], list[bytes], int]:
        """Who sat and what each opened, with bit 32 set on a vote."""
        events = await reads.task_events(self._chain, review)
        accounts = next(list(e.args["accounts"]) for e in reversed(events) if e.name == "CommitteeDrawn")
        values, revealed = [bytes(32)] * len(accounts), 0
        for event in events:
            if event.name == "ResultRevealed" and event.args["round"] == 1:
                seat = accounts.index(event.args["account"])
                values[seat] = (1 << 32 | int.from_bytes(event.args["result"][1:], "big")).to_bytes(32, "big")
                revealed |= 1 << seat
        return accounts, values, revealed

    async def _by(self, author: ScriptedMember, call: Any) -> None:
        await Sender(self._chain, author.operator, FAST).send(call)

    async def _event(self, call: Any, name: str) -> Any:
        receipt: Any = await self._bank.send(call)
        events = decode_all(receipt["logs"], self._chain.contract_names)
        return next(event.args for event in events if event.name == name)

    async def _past(self, block: int) -> bool:
        return (await self._chain.head()).number > block
