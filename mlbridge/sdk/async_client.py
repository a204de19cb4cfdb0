"""The SDK: ask a model, get a verified answer."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from eth_abi.abi import encode as abi_encode
from eth_account.signers.local import LocalAccount
from web3.types import TxReceipt

from contracts import artifacts, channels, reads
from contracts.chain import Chain
from contracts.channels import ChannelState
from contracts.errors import ContractError
from contracts.events import Event, as_hex
from contracts.lane import Lane
from contracts.laneview import LaneView
from contracts.network import Network, home, load_network
from contracts.reads import ModelInfo
from contracts.sealing import SealingKey, SealingKeys
from contracts.sender import Sender, SendPolicy
from contracts.summons import withdraw_due
from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest, publish_folder
from mlbridge.protocol import disagreement, hashing
from mlbridge.protocol.disagreement import Attested
from mlbridge.protocol.exchange import parse_offer
from mlbridge.protocol.orders712 import ChannelTerms
from mlbridge.protocol.types import Role
from mlbridge.sdk.channel import AsyncChannel
from mlbridge.sdk.channel_book import ChannelBook, Kept
from mlbridge.sdk.coordinators import Coordinator, CoordinatorDoor
from mlbridge.sdk.draft import Draft
from mlbridge.sdk.earlier import await_own_transactions, find_submission
from mlbridge.sdk.handle import TaskHandle
from mlbridge.sdk.inputs import Input, payload_for, to_content
from mlbridge.sdk.lane_summons import find_order
from mlbridge.sdk.receipt import Receipt, VerificationReport, verify
from mlbridge.storage import ContentStore, open_store


@dataclass(frozen=True)
class Claimed:
    """What a claim paid out: wei, and MLB with 18 decimals."""

    wei: int
    mlb: int


@dataclass(frozen=True)
class Published:
    """A model that was published. id: 32 bytes."""

    id: bytes
    cid: str
    manifest: Manifest


def _salt(salt: bytes | None, key: str | None) -> bytes:
    """The 32 bytes that make a task's id unique: as given, or from a text."""
    if salt is not None and key is not None:
        raise MLBridgeError("salt.both", "Give a salt or an idempotency key, not both.", exit_code=2)
    if salt is not None and len(salt) != 32:
        raise MLBridgeError("salt.size", f"A salt has 32 bytes, not {len(salt)}.", exit_code=2)
    return salt or hashing.keccak(f"mlbridge-idempotency:{key}".encode())


class AsyncClient:
    """One network, one account (None: only reading). Connects at first use; close it or use `async with`.

    network: a Network, a name or a file; store: content store, default the network's storage_url;
    channel_book: the file that remembers its channels, default in the MLBridge home; coordinator: how one is
    reached by its URL; nodes: base URLs of provider nodes that are asked for answers which no coordinator
    brings, before those that the network and the coordinators name.
    """

    def __init__(
        self,
        network: Network | str | Path,
        account: LocalAccount | None = None,
        store: ContentStore | None = None,
        *,
        policy: SendPolicy | None = None,
        channel_book: Path | None = None,
        coordinator: Callable[[str], Coordinator] = CoordinatorDoor,
        nodes: Collection[str] = (),
    ) -> None:
        self.network = network if isinstance(network, Network) else load_network(network)
        self.account = account
        self.store = store
        if store is None and self.network.storage_url:
            self.store = open_store(self.network.storage_url)
        self._policy = policy
        self._chain: Chain | None = None
        self._sender: Sender | None = None
        self._connecting = asyncio.Lock()
        self._view: LaneView | None = None
        self._book: ChannelBook | None = None
        self._book_path = channel_book
        self._reach = coordinator
        self._nodes = [*nodes, *self.network.nodes]
        self._manifests: dict[str, Manifest] = {}
        self._found: dict[str | bytes, tuple[bytes, Manifest | None]] = {}

    async def chain(self) -> Chain:
        """The checked connection. Raises what Chain.connect raises."""
        async with self._connecting:
            if self._chain is None:
                self._chain = await Chain.connect(self.network)
                if self.account is not None:
                    self._sender = Sender(self._chain, self.account, self._policy)
        return self._chain

    async def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._chain is not None:
            await self._chain.close()
        if self._book is not None:
            self._book.close()
        self._chain = self._sender = self._view = self._book = None

    async def __aenter__(self) -> Self:
        await self.chain()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(self, fn: Any, *, value: int = 0) -> TxReceipt:
        await self.chain()
        return await self._signer().send(fn, value=value)

    def _signer(self) -> Sender:
        if self._sender is None:
            raise MLBridgeError(
                "wallet.none",
                "This needs an account to sign with.",
                hint="Give the client a key.",
                exit_code=3,
            )
        return self._sender

    # ---- models ----

    async def models(self) -> list[ModelInfo]:
        """Every registered model."""
        return await reads.list_models(await self.chain())

    async def model(self, name_or_id: str | bytes) -> ModelInfo:
        """A model by id or by name: the oldest active one, see `namesakes`. Raises `model.unknown`."""
        return await reads.find_model(await self.chain(), name_or_id)

    async def namesakes(self, model: ModelInfo) -> list[bytes]:
        """Ids of other models of the same name: anybody may register a name again."""
        return await reads.namesakes(await self.chain(), model)

    async def manifest(self, model: ModelInfo) -> Manifest:
        """A model's manifest, verified by its CID. Raises MLBridgeError `content.*`, `manifest.*`."""
        if self.store is None:
            raise MLBridgeError(
                "storage.none",
                "Reading a manifest needs a content store.",
                hint="Configure storage_url in the network, or hand the client a store.",
            )
        if model.cid not in self._manifests:
            self._manifests[model.cid] = Manifest.from_bytes(await self.store.get(model.cid))
        return self._manifests[model.cid]

    async def quote(self, model: str | bytes | ModelInfo, *, seats: int | None = None) -> int:
        """Price in wei of a task now."""
        chain = await self.chain()
        info = model if isinstance(model, ModelInfo) else await self.model(model)
        return await reads.quote(chain, info.id, seats or 0)

    async def publish(
        self,
        folder: str | Path,
        price_wei: int,
        *,
        stake: bool = False,
        draft: Mapping[str, object] | None = None,
        ignore: Collection[str] = (),
    ) -> Published:
        """Store a model folder and register it; registering the same again changes nothing.

        price_wei: fee a task; stake: first stake what is missing of the model provider's minimum; draft,
        ignore: see mlbridge.models.publish_folder. Raises MLBridgeError `manifest.*`, `storage.*`,
        ContractError.
        """
        if self.store is None:
            raise MLBridgeError("storage.none", "Publishing needs a content store.", exit_code=2)
        chain, owner = await self.chain(), self._signer().address
        manifest, cid = await publish_folder(folder, self.store, draft=draft, ignore=ignore)
        model_id = model_id_of(chain, owner, cid)
        if stake:
            missing = await reads.minimum_stake(chain, Role.MODEL_PROVIDER) - await reads.stake_of(
                chain, owner, Role.MODEL_PROVIDER
            )
            if missing > 0:
                await self.stake(Role.MODEL_PROVIDER, missing)
        metadata = abi_encode(
            ["uint8", "bytes32", "string"], [int(manifest.policy_id), manifest.exec_class_id, manifest.name]
        )
        try:
            await self._send(chain.registry.functions.registerModel(cid, price_wei, metadata))
        except ContractError as error:
            if error.name != "ModelExists":
                raise
        return Published(model_id, cid, manifest)

    # ---- tasks ----

    async def submit(
        self,
        model: str | bytes | ModelInfo,
        input: Input,
        *,
        seats: int | None = None,
        deadline_s: float | None = None,
        max_price_wei: int | None = None,
        salt: bytes | None = None,
        idempotency_key: str | None = None,
        announce: Callable[[TaskHandle], None] | None = None,
    ) -> TaskHandle:
        """Pay for a task.

        input: see mlbridge.sdk.inputs.payload_for; seats: committee size; deadline_s: seconds within which
        the first committee must have committed; max_price_wei: refuse above it. salt (32 bytes) or
        idempotency_key (any text of the caller's): submitting again with the same finds the task instead of
        paying twice; default a random key. announce: told the task just before it is paid, so that its id
        and idempotency_key outlive a crash. Raises MLBridgeError `price.too_high` (exit code 4), `salt.*`,
        `input.*`, `payload.*`, `model.unknown`, ContractError.
        """
        chain, sender = await self.chain(), self._signer()
        info = model if isinstance(model, ModelInfo) else await self.model(model)
        payload = payload_for(input, await self._reachable(info))
        data = await to_content(payload, self.store)
        retried = salt is not None or idempotency_key is not None
        if not retried:
            idempotency_key = secrets.token_hex(8)
        key = _salt(salt, idempotency_key)
        if retried:
            existing = await find_submission(chain, sender.address, info.id, key)
            if existing is not None:
                return self._existing(chain, existing, data, idempotency_key)
        draft = await self._draft(info, data, seats, deadline_s, max_price_wei, key)
        return await self.send(draft, idempotency_key=idempotency_key, announce=announce)

    async def draft(
        self,
        model: str | bytes | ModelInfo,
        input: Input,
        *,
        seats: int | None = None,
        deadline_s: float | None = None,
        max_price_wei: int | None = None,
        salt: bytes | None = None,
    ) -> Draft:
        """Fix the terms of a task without paying for it; `send` pays. Otherwise as `submit`."""
        info = model if isinstance(model, ModelInfo) else await self.model(model)
        data = await to_content(payload_for(input, await self._reachable(info)), self.store)
        key = _salt(salt or secrets.token_bytes(32), None)
        return await self._draft(info, data, seats, deadline_s, max_price_wei, key)

    async def _draft(
        self,
        model: ModelInfo,
        data: bytes,
        seats: int | None,
        deadline_s: float | None,
        max_price_wei: int | None,
        salt: bytes,
    ) -> Draft:
        chain = await self.chain()
        size = seats or (await reads.get_parameters(chain)).default_seats
        price = await reads.quote(chain, model.id, size)
        if max_price_wei is not None and price > max_price_wei:
            raise MLBridgeError(
                "price.too_high",
                f"The task costs {price} wei now, more than your limit of {max_price_wei}.",
                hint=f"Raise the limit (--max-price {Decimal(price).scaleb(-18):f}; max_price_wei in code), "
                "take a smaller committee or another model.",
                exit_code=4,
                price_wei=price,
            )
        deadline, head = await self._deadline(chain, deadline_s), await chain.head()
        return Draft(
            chain_id=chain.chain_id,
            task_manager=chain.addresses.tasks,
            requester=self._signer().address,
            model_id=model.id,
            data=data,
            deadline=deadline,
            price=price,
            seats=size,
            salt=salt,
            block=max(0, head.number - 1),
        )

    async def send(
        self,
        draft: Draft,
        *,
        idempotency_key: str | None = None,
        announce: Callable[[TaskHandle], None] | None = None,
    ) -> TaskHandle:
        """Pay for a drafted task; one that is on chain already is not paid again.

        announce: see `submit`. Raises MLBridgeError `draft.foreign` for another account's or deployment's
        draft, ContractError.
        """
        chain, sender = await self.chain(), self._signer()
        here = (chain.chain_id, chain.addresses.tasks, sender.address)
        if here != (draft.chain_id, draft.task_manager, draft.requester):
            raise MLBridgeError(
                "draft.foreign",
                "This draft was made for another account, chain or deployment.",
                hint="Send it with the client that made it, or draft the task again.",
                exit_code=2,
            )
        handle = TaskHandle(draft.id, chain, sender, self.store, draft.block, idempotency_key)
        if announce is not None:
            announce(handle)
        call = chain.bridge.functions.submitTaskWith(
            draft.model_id, draft.data, draft.deadline, draft.seats, draft.salt
        )
        try:
            handle.add_gas(await sender.send(call, value=draft.price))
        except ContractError as error:
            if error.name != "TaskExists":
                raise
            handle.first_block = self.network.start_block  # an earlier try may have made it long ago
        return handle

    async def drafted(self, draft: Draft) -> TaskHandle | None:
        """The task of a draft, None while it is in no block."""
        chain = await self.chain()
        try:
            await reads.get_task(chain, draft.id)
        except MLBridgeError as error:
            if error.code != "task.unknown":
                raise
            return None
        return TaskHandle(draft.id, chain, self._sender, self.store, draft.block)

    async def settle(self) -> None:
        """Wait until no transaction of this account is out. Raises MLBridgeError `wallet.busy` after 60 s."""
        await await_own_transactions(await self.chain(), self._signer().address)

    async def task(self, task_id: bytes | str) -> TaskHandle:
        """A task by id (32 bytes or 0x hex). Raises MLBridgeError `task.unknown`, `task.bad_id`."""
        chain = await self.chain()
        raw = task_id if isinstance(task_id, bytes) else _from_hex(task_id)
        await reads.get_task(chain, raw)
        return TaskHandle(raw, chain, self._sender, self.store, self.network.start_block)

    async def cancel(self, task_id: bytes | str) -> None:
        """Take a task back before its committee can be known. Raises ContractError `TooLateToCancel`."""
        await (await self.task(task_id)).cancel()

    async def verify(self, receipt: Receipt, *, confirmations: int | None = None) -> VerificationReport:
        """Check a receipt against the chain (and the content store, if there is one)."""
        return await verify(receipt, await self.chain(), confirmations=confirmations, store=self.store)

    # ---- channels ----

    async def lane_view(self) -> LaneView:
        """The channel lane as the chain has it. Raises MLBridgeError `lane.not_deployed`."""
        chain = await self.chain()
        async with self._connecting:
            if self._view is None:
                if self.network.lane is None:
                    raise MLBridgeError(
                        "lane.not_deployed",
                        f"Network {self.network.name} has no channel lane.",
                        hint="Use the direct lane, or a network file that names the lane's contracts.",
                        exit_code=5,
                    )
                self._view = await LaneView.open(Lane(chain, self.network.lane))
        return self._view

    async def open_channel(self, url: str, deposit: int, *, salt: bytes | None = None) -> AsyncChannel:
        """Open a channel to the coordinator at a URL. deposit: wei; salt: 32 bytes, default random.

        Orders need a seed that is younger than the channel: the first goes out in the next epoch. Raises
        MLBridgeError `coordinator.*` or `channel.other_chain`, ContractError.
        """
        view, sender = await self.lane_view(), self._signer()
        door = self._reach(url)
        try:
            told = await door.terms()
            here = view.lane.domain
            if (told.chain_id, told.channels) != (here.chain_id, here.contract):
                raise MLBridgeError(
                    "channel.other_chain",
                    f"The coordinator at {url} works for {told.channels} on chain {told.chain_id}.",
                    hint="Choose one of this network.",
                    exit_code=2,
                )
            terms = await channels.open_channel(
                view.lane,
                sender,
                told.coordinator,
                deposit=deposit,
                salt=salt or secrets.token_bytes(32),
                share=told.share,
            )
        finally:
            await door.close()
        channel = await self._channel(terms, url)
        await asyncio.to_thread(self._channel_book().put_nodes, channel.id, told.nodes)
        return channel

    async def channel(self, channel: bytes | str, *, url: str | None = None) -> AsyncChannel:
        """A channel of this account, by id. url: of its coordinator, default where it was last.

        Raises MLBridgeError `channel.unknown`, `channel.not_yours` or `channel.no_url`.
        """
        raw = channel if isinstance(channel, bytes) else _from_hex(channel)
        terms = await (await self.lane_view()).terms(raw)
        if terms.requester != self._signer().address:
            raise MLBridgeError(
                "channel.not_yours",
                f"The channel belongs to {terms.requester}.",
                hint="Use the key that opened it.",
                exit_code=3,
            )
        known = self._channel_book().get(raw)
        at = url or (known.url if known is not None else None)
        if at is None:
            raise MLBridgeError(
                "channel.no_url",
                "This machine does not know where the channel's coordinator is.",
                hint="Say it once: --coordinator URL (url= in code).",
                exit_code=2,
            )
        return await self._channel(terms, at)

    async def channels(self) -> list[tuple[ChannelTerms, ChannelState, str | None]]:
        """This account's channels, oldest first: terms, where each stands, and its coordinator's URL."""
        view, owner = await self.lane_view(), self._signer().address
        topic = "0x" + owner[2:].lower().rjust(64, "0")
        opened = await view.lane.events(artifacts.CHANNELS, "ChannelOpened", None, topic)
        book, found = self._channel_book(), []
        for event in opened:
            identity = bytes(event.args["channel"])
            known = book.get(identity)
            state = await channels.channel_state(view.lane, identity)
            found.append((await view.terms(identity), state, None if known is None else known.url))
        return found

    async def channel_of_order(self, order: str) -> AsyncChannel:
        """The channel for which this machine signed an order. order: its idempotency key or digest (0x hex).

        Raises MLBridgeError `channel.no_order`.
        """
        kept = await self._kept_order(order)
        if kept is not None:
            return await self.channel(kept.channel)
        raise MLBridgeError(
            "channel.no_order",
            f"This machine signed no order {order[:80]!r} on {self.network.name}.",
            hint="`mlbridge channel list` shows channels, `mlbridge channel orders CHANNEL` their orders.",
            exit_code=5,
        )

    async def attested_of_order(self, order: str) -> Attested:
        """What seats of an order that this machine signed attested, where it knows that they disagreed."""
        kept = await self._kept_order(order)
        return () if kept is None or kept.attested is None else disagreement.from_bytes(kept.attested)

    async def input_of_order(self, order: str) -> bytes | None:
        """The input payload of an order that this machine signed; None if it signed none such."""
        kept = await self._kept_order(order)
        if kept is None:
            return None
        found = parse_offer(kept.offer).content
        if isinstance(found, bytes):
            return found
        if self.store is None:
            raise MLBridgeError("result.no_store", f"The input lies at {found}, and there is no store.")
        return await self.store.get(found)

    async def _kept_order(self, order: str) -> Kept | None:
        domain = (await self.lane_view()).lane.domain
        book = self._channel_book()
        for known in book.all(domain.chain_id):
            found = find_order(book.orders(known.id), order, domain)
            if found is not None and known.contract == domain.contract:
                return found
        return None

    async def _channel(self, terms: ChannelTerms, url: str) -> AsyncChannel:
        view, sender = await self.lane_view(), self._signer()
        if self.account is None:
            raise RuntimeError("a signer has an account")
        domain = view.lane.domain
        book = self._channel_book()
        book.put(terms.channel(), chain_id=domain.chain_id, contract=domain.contract, url=url)
        return AsyncChannel(
            terms,
            view,
            book,
            self._reach(url),
            sender,
            bytes(self.account.key),
            self.store,
            self._find_model,
            self._nodes,
        )

    async def _find_model(self, model: str | bytes) -> tuple[bytes, Manifest | None]:
        if model not in self._found:
            info = await self.model(model)
            self._found[model] = info.id, await self._reachable(info)
        return self._found[model]

    def _channel_book(self) -> ChannelBook:
        if self._book is None:
            self._book = ChannelBook(self._book_path or home() / "channels.db")
        return self._book

    async def sealing_key(self, operator: str) -> SealingKey | None:
        """The key that confidential input to an operator is sealed to now; None if it has none.

        Raises MLBridgeError `reviews.none` on a network without sealing keys.
        """
        return await SealingKeys(await self.chain()).current(operator)

    # ---- money ----

    async def claim(self) -> Claimed:
        """Have everything paid out that the account can claim, in wei and MLB.

        Nothing to claim is no error.
        """
        chain, owner = await self.chain(), self._signer().address
        coins, tokens = await reads.claimable(chain, owner)
        if coins:
            await self._send(chain.distributor.functions.claim(owner))
        if tokens:
            await self._send(chain.distributor.functions.claimTokens(owner))
        return Claimed(coins + await withdraw_due(chain, self._signer(), owner), tokens)

    async def set_price(self, model: ModelInfo, price_wei: int) -> None:
        """Change the own price of a model that this account published. Raises ContractError."""
        if model.price != price_wei:
            chain = await self.chain()
            await self._send(chain.registry.functions.setPrice(model.id, price_wei))

    async def stake(self, role: Role, amount: int) -> None:
        """Approve and stake MLB (18 decimals) in a role. Raises ContractError."""
        chain = await self.chain()
        await self._send(chain.token.functions.approve(chain.addresses.distributor, amount))
        await self._send(chain.distributor.functions.stake(int(role), amount))

    # ---- internal ----

    async def _reachable(self, model: ModelInfo) -> Manifest | None:
        try:
            return await self.manifest(model)
        except MLBridgeError as error:
            if error.code.split(".")[0] in ("storage", "content"):
                return None  # the input may say its kind itself
            raise

    async def _deadline(self, chain: Chain, deadline_s: float | None) -> int:
        """Unix seconds. The chain's clock counts, but an idle chain's last block may be old."""
        rules, head = await reads.get_parameters(chain), await chain.head()
        now = max(head.timestamp, int(time.time()))
        if deadline_s is None:
            deadline_s = min(rules.max_task_time - 60, rules.min_task_time + 4 * rules.commit_window)
        return now + int(deadline_s)

    def _existing(self, chain: Chain, event: Event, data: bytes, key: str | None) -> TaskHandle:
        if event.args["inputData"] != data:
            raise MLBridgeError(
                "salt.reused",
                f"This salt already names the task {as_hex(event.args['taskId'])}, which has another input.",
                hint="Use one salt for one request.",
                exit_code=2,
            )
        return TaskHandle(event.args["taskId"], chain, self._sender, self.store, event.block_number, key)


def model_id_of(chain: Chain, provider: str, cid: str) -> bytes:
    """The id that a model of this provider and manifest has."""
    types = ["uint256", "address", "address", "string"]
    return hashing.keccak(abi_encode(types, [chain.chain_id, chain.addresses.registry, provider, cid]))


def _from_hex(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise MLBridgeError("task.bad_id", f"{text!r} is not a task id (0x and 64 hex digits).", exit_code=2)
    return raw
