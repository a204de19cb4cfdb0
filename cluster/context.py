"""What the agent's parts share: identity, chain, journal, models, clock."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from eth_account.signers.local import LocalAccount

from cluster.config import ProviderConfig
from cluster.door import Door
from cluster.faults import Strategy, strategy_for
from cluster.journal import Journal
from cluster.metrics import Meter, NoMeter
from cluster.served import ServedModels
from contracts import artifacts, reads
from contracts.chain import Chain
from contracts.events import BlockRef, Event, topic_of
from contracts.keyfile import load_key
from contracts.sender import Sender, SendPolicy
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Role
from mlbridge.storage import ContentStore, open_store

_REMEMBERED = 2_000
_FIRST_LOOK = 500
_FARTHEST_LOOK = 8_000


class ChainClock:
    """The chain's time between blocks: the newest block's, plus what passed here since we saw it."""

    def __init__(self) -> None:
        self.head = BlockRef(0, "", 0)
        self._seen = time.monotonic()

    def see(self, head: BlockRef) -> None:
        if head.hash != self.head.hash:
            self.head = head
            self._seen = time.monotonic()

    def now(self) -> float:
        """Unix seconds."""
        return self.head.timestamp + time.monotonic() - self._seen


class Submissions:
    """The TaskSubmitted events, which alone hold a task's input: those seen lately, else looked up."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._seen: OrderedDict[bytes, Event] = OrderedDict()

    def note(self, event: Event) -> None:
        self._seen[event.args["taskId"]] = event
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def void_from(self, block: int) -> None:
        for task in [task for task, event in self._seen.items() if event.block_number >= block]:
            del self._seen[task]

    async def find(self, task: bytes, before: int) -> Event:
        """The task's submission, at or before block `before`. Raises MLBridgeError `task.no_input`."""
        known = self._seen.get(task)
        if known is not None:
            return known
        topics: list[object] = [topic_of(artifacts.TASKS, "TaskSubmitted"), "0x" + task.hex()]
        addresses = [self._chain.addresses.tasks]
        last, span = before, _FIRST_LOOK
        while last >= self._chain.network.start_block:
            first = max(self._chain.network.start_block, last - span + 1)
            found = await reads.find_events(self._chain, topics, addresses, first=first, last=last)
            if found:
                self.note(found[-1])
                return found[-1]
            last, span = first - 1, min(span * 2, _FARTHEST_LOOK)
        raise MLBridgeError("task.no_input", f"The submission of task 0x{task.hex()} is not on the chain.")


@dataclass
class Context:
    """One running node. accounts: our staking accounts by role; work: bounds executions at a time."""

    config: ProviderConfig
    chain: Chain
    key: LocalAccount
    sender: Sender
    journal: Journal
    store: ContentStore
    door: Door
    served: ServedModels
    strategy: Strategy
    submissions: Submissions
    work: asyncio.Semaphore
    operator: str = ""
    accounts: dict[int, Role] = field(default_factory=dict)
    clock: ChainClock = field(default_factory=ChainClock)
    meter: Meter = field(default_factory=NoMeter)
    operator_sender: Sender | None = None

    @classmethod
    async def open(cls, config: ProviderConfig, *, meter: Meter | None = None) -> Context:
        """Keys, chain, journal and store of a provider. Raises MLBridgeError."""
        network = config.load_network()
        key = await asyncio.to_thread(load_key, config.keys.node)
        strategy = strategy_for(config.fault)
        chain = await Chain.connect(network)
        policy = SendPolicy(poll_s=min(0.5, max(0.05, network.block_time / 4)))
        context = cls(
            config=config,
            chain=chain,
            key=key,
            sender=Sender(chain, key, policy),
            journal=await asyncio.to_thread(Journal, config.journal_path),
            store=open_store(network.storage_url),
            door=Door(config.local_url, bytes(key.key), network.chain_id),
            served=ServedModels(config.home),
            strategy=strategy,
            submissions=Submissions(chain),
            work=asyncio.Semaphore(config.limits.concurrent_tasks),
            meter=meter or NoMeter(),
        )
        context.clock.see(await chain.head())
        if strategy.needs_operator_key and config.keys.operator is not None:
            operator = await asyncio.to_thread(load_key, config.keys.operator)
            context.operator_sender = Sender(chain, operator, policy)
        return context

    async def find_accounts(self) -> bool:
        """Learn for whom our key acts; False while it acts for nobody."""
        operator_id, allowed = await reads.call(self.chain.tasks.functions.nodeBinding(self.key.address))
        if not allowed:
            return False
        found = {}
        for account, role in ((2 * operator_id, Role.COMPUTE), (2 * operator_id + 1, Role.VERIFIER)):
            try:
                info = await reads.get_account(self.chain, account)
            except MLBridgeError as error:
                if error.code != "account.unknown":
                    raise
                continue
            self.operator = info.operator
            found[account] = role
        self.accounts = found
        return bool(found)

    async def close(self) -> None:
        await self.door.close()
        await self.chain.close()
        self.journal.close()
