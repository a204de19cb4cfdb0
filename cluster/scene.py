"""One seat as a member's strategy sees it."""

from __future__ import annotations

import secrets

from cluster.content import content_for
from cluster.context import Context
from cluster.faults import Opening
from cluster.journal import Bond
from contracts import artifacts, reads
from contracts.events import topic_of
from contracts.reads import TaskInfo
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import commitment, payload_root, result_digest
from mlbridge.protocol.types import RoundKind, Seat


class SeatScene:
    """See `faults.Scene`."""

    def __init__(self, context: Context, task: TaskInfo, seats: list[Seat], account: int) -> None:
        self._context, self._task, self._seats, self._account = context, task, seats, account
        self.round_kind = task.kind

    @property
    def kind(self) -> str:
        """The model's task kind."""
        return self._context.served.get(self._task.model_id).kind

    @property
    def payload(self) -> bytes:
        """Our honest result or votes, from the journal."""
        task, journal = self._task, self._context.journal
        if task.kind is RoundKind.VOTE:
            kept = journal.votes(task.id, task.round, self._account)
        else:
            result = journal.result(task.id, task.input_hash)
            kept = result.payload if result else None
        if kept is None:
            raise MLBridgeError("journal.no_payload", "There is nothing to commit to yet.")
        return kept

    async def bond_for(self, payload: bytes) -> Bond:
        chain, task = self._context.chain, self._task
        content = await content_for(payload, self._context.store)
        digest = result_digest(chain.chain_id, task.id, payload_root(payload))
        salt = secrets.token_bytes(32)
        bound = commitment(
            chain.chain_id, chain.addresses.tasks, task.id, task.round, self._account, digest, salt
        )
        return Bond(task.id, task.round, self._account, content, digest, salt, bound)

    async def others_commitments(self) -> list[bytes]:
        return [seat.value for seat in self._seats if seat.committed and seat.account != self._account]

    async def opening_of(self, commitment: bytes) -> Opening | None:
        chain, topic = self._context.chain, "0x" + self._task.id.hex()
        events = {}
        for name in ("ResultCommitted", "ResultRevealed"):
            topics: list[object] = [topic_of(artifacts.TASKS, name), topic]
            events[name] = await reads.find_events(chain, topics, [chain.addresses.tasks])
        authors = [e.args["account"] for e in events["ResultCommitted"] if e.args["commitment"] == commitment]
        for event in events["ResultRevealed"]:
            if event.args["account"] in authors and event.args["round"] == self._task.round:
                raw = await chain.provider.request("eth_getTransactionByHash", [event.tx_hash])
                _, args = chain.bridge.decode_function_input(raw["input"])
                return Opening(bytes(args["result"]), bytes(args["proof"]))
        return None

    async def unbond(self) -> None:
        sender, chain = self._context.operator_sender, self._context.chain
        role = self._context.accounts[self._account]
        if sender is None:
            raise MLBridgeError("fault.no_operator", "The fault `unbond` needs keys.operator.", exit_code=2)
        bonded = await reads.stake_of(chain, sender.address, role)
        if bonded:
            await sender.send(chain.distributor.functions.requestUnbond(int(role), bonded))
