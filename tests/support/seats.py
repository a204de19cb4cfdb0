"""Providers without engines: real keys, real stakes, real transactions, scripted results.

members = await make_members(chain, treasury, model_id, 3, first_key=10)
async with acting(members): ...   # they commit and reveal until the block ends
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from eth_abi.abi import encode as abi_encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3.types import TxReceipt

from contracts import reads
from contracts.chain import Chain
from contracts.consent import sign_consent
from contracts.cursor import MemoryCursorStore
from contracts.errors import ContractError
from contracts.follower import LogFollower
from contracts.reads import TaskInfo
from contracts.reserves import ensure_reserve
from contracts.sender import Sender, SendPolicy
from mlbridge.protocol import content, hashing, votes
from mlbridge.protocol.payload import decode_input, encode_output
from mlbridge.protocol.types import Policy, Role, RoundKind, Seat, TaskStatus, Vote
from mlbridge.storage import ContentStore

MLB = 10**18
COINS = 10**18
# Pays two rounds of judges, three and five of them.
RESERVE = 1_000 * MLB
FAST = SendPolicy(poll_s=0.05, stuck_after_s=15.0, timeout_s=60.0)
_serial = itertools.count(1)


def honest_label(payload: bytes) -> bytes:
    """The result every honest scripted member gives: a label that follows from the input."""
    return encode_output("classification", {"label": hashing.keccak(payload)[0] % 10})


def wrong_label(payload: bytes) -> bytes:
    """A well-formed result that honest members do not give."""
    return encode_output("classification", {"label": 10 + hashing.keccak(payload)[0] % 10})


def equality_vote(own: bytes, candidate: bytes) -> Vote:
    """ACCEPT what equals the own result, REJECT the rest."""
    return Vote.ACCEPT if own == candidate else Vote.REJECT


@dataclass(frozen=True)
class Script:
    """How a member behaves.

    result: payload of the input -> payload of the result; vote: (own result, candidate's) -> its vote;
    commit False: silent; reveal: "no" leaves the commitment unopened, "wrong" opens something else; store:
    results go there and only their reference goes on chain.
    """

    result: Callable[[bytes], bytes] = honest_label
    vote: Callable[[bytes, bytes], Vote] = equality_vote
    commit: bool = True
    reveal: Literal["yes", "no", "wrong"] = "yes"
    store: ContentStore | None = None


@dataclass
class ScriptedMember:
    """One operator with one node key and one seat-holding account."""

    chain: Chain
    operator: LocalAccount
    node: LocalAccount
    account: int
    script: Script = field(default_factory=Script)
    input_store: ContentStore | None = None

    def __post_init__(self) -> None:
        self._sender = Sender(self.chain, self.node, FAST)
        self._opened: dict[tuple[bytes, int], tuple[bytes, bytes]] = {}
        self._done: set[tuple[bytes, int, str]] = set()
        self.receipts: list[TxReceipt] = []

    async def run(self) -> None:
        """Follow the chain and act on every seat drawn from about now on, until cancelled."""
        head = await self.chain.head()
        follower = LogFollower(
            self.chain,
            MemoryCursorStore(),
            [self.chain.addresses.tasks],
            start_block=max(0, head.number - 50),
            confirmations=0,
            poll_s=0.05,
        )
        seated: set[bytes] = set()
        while True:
            batch = await follower.poll()
            if batch is None:
                await asyncio.sleep(0.05)
                for task_id in list(seated):
                    if await self.act(task_id):
                        seated.discard(task_id)
                continue
            if batch.removed_from is not None:
                self._done.clear()
            for event in batch.events:
                if event.name == "CommitteeDrawn" and self.account in event.args["accounts"]:
                    seated.add(event.args["taskId"])
            await follower.handled(batch)

    async def act(self, task_id: bytes) -> bool:
        """Do what the task needs of this member now. True when the task has ended."""
        task = await reads.get_task(self.chain, task_id)
        if task.status.terminal:
            return True
        if task.status not in (TaskStatus.COMMITTING, TaskStatus.REVEALING):
            return False
        seat = next(
            (s for s in await reads.get_seats(self.chain, task_id, task.round) if s.account == self.account),
            None,
        )
        if seat is None:
            return False
        with contextlib.suppress(ContractError):  # somebody else's step came in between: look again
            if task.status is TaskStatus.COMMITTING and not seat.committed and self.script.commit:
                await self._commit(task)
            elif (
                task.status is TaskStatus.REVEALING and seat.committed and not (seat.revealed or seat.faulty)
            ):
                await self._reveal(task)
        return False

    async def _commit(self, task: TaskInfo) -> None:
        key = (task.id, task.round)
        if (*key, "commit") in self._done:
            return
        if key not in self._opened:
            self._opened[key] = (await self._answer(task), secrets.token_bytes(32))
        data, salt = self._opened[key]
        commitment = self.commitment(task, data, salt)
        await self._send(self.chain.bridge.functions.commitResult(task.id, commitment))
        self._done.add((*key, "commit"))

    def commitment(self, task: TaskInfo, data: bytes, salt: bytes) -> bytes:
        """The commitment to tagged result bytes under a salt, for this member's seat."""
        digest = hashing.result_digest(self.chain.chain_id, task.id, content.parse(data).root)
        return hashing.commitment(
            self.chain.chain_id, self.chain.addresses.tasks, task.id, task.round, self.account, digest, salt
        )

    async def _reveal(self, task: TaskInfo) -> None:
        key = (task.id, task.round)
        if (*key, "reveal") in self._done or key not in self._opened or self.script.reveal == "no":
            return
        data, salt = self._opened[key]
        if self.script.reveal == "wrong":
            salt = bytes(32)
        await self._send(self.chain.bridge.functions.submitResult(task.id, data, salt))
        self._done.add((*key, "reveal"))

    async def _send(self, fn: Any) -> None:
        self.receipts.append(await self._sender.send(fn))

    async def _answer(self, task: TaskInfo) -> bytes:
        payload = await self._input(task)
        own = self.script.result(payload)
        if task.kind is RoundKind.RESULT:
            if self.script.store is not None:
                return content.reference(own, await self.script.store.put(own))
            return content.inline(own)
        first = await reads.get_seats(self.chain, task.id, 0)
        revealed = await self._revealed(task, first)
        return content.inline(
            votes.pack({i: self.script.vote(own, result) for i, result in revealed.items()})
        )

    async def _input(self, task: TaskInfo) -> bytes:
        events = await reads.task_events(self.chain, task.id)
        submitted = next(event for event in events if event.name == "TaskSubmitted")
        payload = await self._fetch(submitted.args["inputData"])
        decode_input(payload)
        return payload

    async def _revealed(self, task: TaskInfo, seats: Sequence[Seat]) -> dict[int, bytes]:
        index = {seat.account: i for i, seat in enumerate(seats)}
        return {
            index[event.args["account"]]: await self._fetch(event.args["result"])
            for event in await reads.task_events(self.chain, task.id)
            if event.name == "ResultRevealed" and event.args["round"] == 0
        }

    async def _fetch(self, data: bytes) -> bytes:
        parsed = content.parse(data)
        if isinstance(parsed, content.Inline):
            return parsed.payload
        store = self.input_store or self.script.store
        assert store is not None, "the content is in a store and this member was given none"
        return await store.get(parsed.cid)


def fresh_account() -> LocalAccount:
    """A new random key."""
    account: LocalAccount = Account.create()
    return account


async def fund(treasury: Sender, chain: Chain, address: str, *, coins: int = COINS, mlb: int = 0) -> None:
    """Give coins (wei) and MLB (18 decimals) from the treasury."""
    if coins:
        await treasury.transfer(address, coins)
    if mlb:
        await treasury.send(chain.token.functions.transfer(address, mlb))


async def stake(chain: Chain, owner: Sender, role: Role, amount: int) -> None:
    """Approve and stake MLB (18 decimals)."""
    await owner.send(chain.token.functions.approve(chain.addresses.distributor, amount))
    await owner.send(chain.distributor.functions.stake(int(role), amount))


async def make_member(
    chain: Chain,
    treasury: Sender,
    model_ids: Sequence[bytes],
    *,
    role: Role = Role.COMPUTE,
    mlb: int = 50_000,
    script: Script | None = None,
) -> ScriptedMember:
    """A funded, staked operator whose account serves the models from the next epoch on. mlb: whole MLB."""
    operator, node = fresh_account(), fresh_account()
    await fund(treasury, chain, operator.address, mlb=mlb * MLB)
    await fund(treasury, chain, node.address)
    owner = Sender(chain, operator, FAST)
    await stake(chain, owner, role, mlb * MLB)
    await owner.send(
        chain.tasks.functions.setNodeKey(node.address, True, sign_consent(chain, node, operator.address))
    )
    account = await reads.account_id(chain, operator.address, role)
    for model_id in model_ids:
        model = await reads.get_model(chain, model_id)
        await owner.send(chain.tasks.functions.serveModel(model_id, account, model.exec_class))
    return ScriptedMember(chain, operator, node, account, script or Script())


async def make_members(
    chain: Chain,
    treasury: Sender,
    model_id: bytes,
    scripts: Sequence[Script],
    *,
    role: Role = Role.COMPUTE,
    mlb: int = 50_000,
) -> list[ScriptedMember]:
    """One member a script, made at the same time; waits until the draw knows them."""
    members = await asyncio.gather(
        *(make_member(chain, treasury, [model_id], role=role, mlb=mlb, script=script) for script in scripts)
    )
    await next_epoch(chain)
    return list(members)


async def next_epoch(chain: Chain) -> None:
    """Wait until changes made so far to the pools count in draws."""
    epoch = await reads.call(chain.tasks.functions.currentEpoch())
    await until(lambda: _later(chain, epoch))


async def _later(chain: Chain, epoch: int) -> bool:
    return bool(await reads.call(chain.tasks.functions.currentEpoch()) > epoch)


async def until(
    condition: Callable[[], Awaitable[bool]], *, timeout_s: float = 30.0, every_s: float = 0.05
) -> None:
    """Wait for a condition. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens on chain
            await asyncio.sleep(every_s)


async def register_model(
    chain: Chain,
    treasury: Sender,
    *,
    policy: Policy = Policy.EXACT,
    price: int = 10**12,
    cid: str | None = None,
    name: str | None = None,
    exec_class: bytes | None = None,
    provider: LocalAccount | None = None,
) -> bytes:
    """Register a model of a fresh, staked provider; its id. price: wei.

    Default CID: one that nothing is stored at.
    """
    serial = next(_serial)
    if provider is None:
        provider = fresh_account()
        await fund(treasury, chain, provider.address, mlb=10_000 * MLB)
        await stake(chain, Sender(chain, provider, FAST), Role.MODEL_PROVIDER, 10_000 * MLB)
    metadata = abi_encode(
        ["uint8", "bytes32", "string"],
        [int(policy), exec_class or hashing.keccak(b"class %d" % serial), name or f"scripted-{serial}"],
    )
    cid = cid or f"bafkscripted{serial}"
    await Sender(chain, provider, FAST).send(chain.registry.functions.registerModel(cid, price, metadata))
    packed = abi_encode(
        ["uint256", "address", "address", "string"],
        [chain.chain_id, chain.addresses.registry, provider.address, cid],
    )
    model_id = hashing.keccak(packed)
    await ensure_reserve(chain, treasury, model_id, RESERVE)
    return model_id


@contextlib.asynccontextmanager
async def acting(members: Sequence[ScriptedMember]) -> AsyncIterator[None]:
    """Let the members act in the background; what breaks one of them breaks the test."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(member.run()) for member in members]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def scripts(*behaviours: Script, honest: int = 0) -> list[Script]:
    """Some behaviours, then as many honest ones."""
    return [*behaviours, *(replace(Script()) for _ in range(honest))]
