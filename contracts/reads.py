"""What the contracts say now, as typed values.

Ids are bytes(32), amounts wei or MLB with 18 decimals, as named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from web3.contract.async_contract import AsyncContractFunction
from web3.exceptions import Web3Exception
from web3.types import BlockIdentifier

from contracts import artifacts
from contracts.chain import Chain
from contracts.errors import from_exception
from contracts.events import Event, as_int, decode_all, topic_of
from contracts.rpc import RpcError
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import input_hash
from mlbridge.protocol.types import Policy, Role, RoundKind, Seat, TaskStatus


class ModelStatus(IntEnum):
    """Whether a model takes tasks; same order as IModelRegistry.sol."""

    NONE = 0
    ACTIVE = 1
    PAUSED = 2
    SUSPENDED = 3


@dataclass(frozen=True)
class TaskInfo:
    """A task without its seats.

    reward, model_fee: wei; deadlines: unix seconds; seats..revealed: current round.
    """

    id: bytes
    requester: str
    model_id: bytes
    input_hash: bytes
    reward: int
    model_fee: int
    deadline: int
    status: TaskStatus
    policy: Policy
    round: int
    kind: RoundKind
    seats: int
    committed: int
    revealed: int
    phase_deadline: int
    randomness_block: int


@dataclass(frozen=True)
class ModelInfo:
    """A registered model. price: wei a task; index: from 1; reputation: basis points; cid: its manifest's."""

    id: bytes
    index: int
    provider: str
    cid: str
    price: int
    status: ModelStatus
    reputation: int
    policy: Policy
    exec_class: bytes
    name: str = ""


@dataclass(frozen=True)
class AccountInfo:
    """A staking account.

    bonded, unbonding: MLB with 18 decimals; reputation: basis points; times: unix seconds.
    """

    id: int
    operator: str
    bonded: int
    unbonding: int
    release_at: int
    reputation: int
    absences: int
    jailed_until: int
    weight: int

    @property
    def role(self) -> Role:
        """The seat-holding role that its id names."""
        return Role.VERIFIER if self.id % 2 else Role.COMPUTE


@dataclass(frozen=True)
class Parameters:
    """TaskManager's governed parameters.

    Windows and times in seconds, fees in wei, protocol_fee in basis points.
    """

    default_seats: int
    first_judge_seats: int
    last_judge_seats: int
    max_redraws: int
    spare_seats: int
    open_seats: int
    commit_window: int
    reveal_window: int
    min_task_time: int
    max_task_time: int
    seat_fee: int
    tip: int
    protocol_fee: int

    def as_tuple(self) -> tuple[int, ...]:
        """In the order of the Solidity struct."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


async def call(fn: AsyncContractFunction, block: BlockIdentifier = "latest") -> Any:
    """Result of a view function.

    Raises ContractError when it reverts, RpcError or RpcUnreachableError otherwise.
    """
    try:
        return await fn.call(block_identifier=block)
    except Web3Exception as error:
        refused = from_exception(error)
        if refused is not None:
            raise refused from error
        raise MLBridgeError("chain.read", f"Reading {fn.fn_name} failed: {error}") from error


async def get_task(chain: Chain, task_id: bytes, block: BlockIdentifier = "latest") -> TaskInfo:
    """A task by id. Raises MLBridgeError `task.unknown`."""
    view = await call(chain.tasks.functions.getTask(task_id), block)
    if TaskStatus(view[7]) is TaskStatus.NONE:
        raise MLBridgeError(
            "task.unknown",
            f"There is no task 0x{task_id.hex()} on {chain.network.name}.",
            hint="Check the id and the network.",
            exit_code=5,
        )
    return TaskInfo(
        id=bytes(view[0]),
        requester=view[1],
        model_id=bytes(view[2]),
        input_hash=bytes(view[3]),
        reward=view[4],
        model_fee=view[5],
        deadline=view[6],
        status=TaskStatus(view[7]),
        policy=Policy(view[8]),
        round=view[9],
        kind=RoundKind(view[10]),
        seats=view[11],
        committed=view[12],
        revealed=view[13],
        phase_deadline=view[14],
        randomness_block=view[15],
    )


def as_submitted(task: TaskInfo, submitted: Event) -> TaskInfo:
    """The task with what its TaskSubmitted event says: the contract forgets that of tasks that ended."""
    args = submitted.args
    return replace(
        task,
        id=bytes(args["taskId"]),
        requester=args["requester"],
        model_id=bytes(args["modelId"]),
        input_hash=input_hash(args["inputData"]),
        reward=args["reward"],
        deadline=args["deadline"],
    )


async def submission_of(chain: Chain, task_id: bytes, *, first: int | None = None) -> Event | None:
    """The event of a task's submission. first: block to begin at, default the deployment's first."""
    topics = [topic_of(artifacts.TASKS, "TaskSubmitted"), "0x" + task_id.hex()]
    found = await find_events(chain, topics, [chain.addresses.tasks], first=first)
    return found[-1] if found else None


async def get_seats(
    chain: Chain, task_id: bytes, round: int, block: BlockIdentifier = "latest"
) -> list[Seat]:
    """The seats of a round in draw order; empty for a round not drawn."""
    seats = await call(chain.tasks.functions.getSeats(task_id, round), block)
    return [Seat(s[0], s[1], s[2], s[3], s[4], bytes(s[5])) for s in seats]


async def pokeable(chain: Chain, task_id: bytes) -> bool:
    """Whether a poke would move the task in the next block, whose time and number the node supplies."""
    return bool(await call(chain.tasks.functions.pokeable(task_id), "pending"))


async def get_parameters(chain: Chain) -> Parameters:
    """TaskManager's parameters now."""
    return Parameters(*await call(chain.tasks.functions.parameters()))


async def quote(chain: Chain, model_id: bytes, seats: int) -> int:
    """Least payment in wei for a task of this size now. Raises ContractError."""
    return int(await call(chain.bridge.functions.quote(model_id, seats)))


async def get_account(chain: Chain, account: int) -> AccountInfo:
    """A staking account by id. Raises MLBridgeError `account.unknown`."""
    view, weight = await asyncio.gather(
        call(chain.distributor.functions.accounts(account)),
        call(chain.distributor.functions.weightOf(account)),
    )
    if int(view[0], 16) == 0:
        raise MLBridgeError("account.unknown", f"There is no staking account {account}.", exit_code=5)
    return AccountInfo(account, view[0], view[1], view[2], view[3], view[4], view[5], view[6], weight)


async def account_id(chain: Chain, operator: str, role: Role) -> int:
    """Account id of an operator in a seat-holding role; 0 if it never staked."""
    return int(await call(chain.distributor.functions.accountId(operator, int(role))))


async def stake_of(chain: Chain, operator: str, role: Role) -> int:
    """Bonded MLB (18 decimals) in a role."""
    return int(await call(chain.distributor.functions.stakeOf(operator, int(role))))


async def minimum_stake(chain: Chain, role: Role) -> int:
    """MLB (18 decimals) that a role needs bonded."""
    return int(await call(chain.distributor.functions.minimumStake(int(role))))


async def claimable(chain: Chain, claimant: str) -> tuple[int, int]:
    """(wei, MLB with 18 decimals) that an address can claim."""
    coins, tokens = await asyncio.gather(
        call(chain.distributor.functions.claimable(claimant)),
        call(chain.distributor.functions.claimableTokens(claimant)),
    )
    return int(coins), int(tokens)


async def get_model(chain: Chain, model_id: bytes) -> ModelInfo:
    """A model by id, without its name (which is only in its event: see `list_models`).

    Raises `model.unknown`.
    """
    registry = chain.registry.functions
    model, exec_class = await asyncio.gather(
        call(registry.models(model_id)), call(registry.execClassOf(model_id))
    )
    if ModelStatus(model[4]) is ModelStatus.NONE:
        raise _unknown_model(chain, "0x" + model_id.hex())
    terms = await call(registry.terms(model_id))
    return ModelInfo(
        id=bytes(model[0]),
        index=terms[0],
        provider=model[1],
        cid=model[2],
        price=model[3],
        status=ModelStatus(model[4]),
        reputation=model[5],
        policy=Policy(terms[3]),
        exec_class=bytes(exec_class),
    )


def _unknown_model(chain: Chain, which: str) -> MLBridgeError:
    return MLBridgeError(
        "model.unknown",
        f"There is no model {which} on {chain.network.name}.",
        hint="`mlbridge model list` shows the models.",
        exit_code=5,
    )


async def list_models(chain: Chain) -> list[ModelInfo]:
    """Every model in order of registration, with names."""
    registered = await find_events(
        chain, [topic_of(artifacts.REGISTRY, "ModelRegistered")], [chain.addresses.registry]
    )
    return list(await asyncio.gather(*(_with_name(chain, event) for event in registered)))


async def find_model(chain: Chain, name_or_id: str | bytes) -> ModelInfo:
    """A model by id (bytes or 0x hex), or by name: the oldest active one of that name.

    Names are not unique. The oldest keeps a name, so that nobody can take over another's customers by
    registering its name again, at any price; see `namesakes`. Raises `model.unknown`.
    """
    wanted = _as_id(name_or_id)
    topics: list[object] = [topic_of(artifacts.REGISTRY, "ModelRegistered")]
    if wanted is not None:
        topics.append("0x" + wanted.hex())
    registered = await find_events(chain, topics, [chain.addresses.registry])
    first: ModelInfo | None = None
    for event in registered:
        if wanted is not None or event.args["name"] == name_or_id:
            model = await _with_name(chain, event)
            if model.status is ModelStatus.ACTIVE:
                return model
            first = first or model
    if first is None:
        raise _unknown_model(chain, repr(name_or_id) if wanted is None else "0x" + wanted.hex())
    return first


async def namesakes(chain: Chain, model: ModelInfo) -> list[bytes]:
    """Ids of the other models that were registered under its name, oldest first."""
    registered = await find_events(
        chain, [topic_of(artifacts.REGISTRY, "ModelRegistered")], [chain.addresses.registry]
    )
    return [
        bytes(event.args["modelId"])
        for event in registered
        if event.args["name"] == model.name and event.args["modelId"] != model.id
    ]


def _as_id(value: str | bytes) -> bytes | None:
    if isinstance(value, bytes):
        return value
    if value.startswith("0x") and len(value) == 66:
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            return None
    return None


async def _with_name(chain: Chain, event: Event) -> ModelInfo:
    model = await get_model(chain, event.args["modelId"])
    return ModelInfo(**{**model.__dict__, "name": event.args["name"]})


async def find_events(
    chain: Chain,
    topics: Sequence[object],
    addresses: list[str] | None = None,
    *,
    first: int | None = None,
    last: int | None = None,
    names: Mapping[str, str] | None = None,
) -> list[Event]:
    """Every event that matches the topics in canonical blocks first..last, in chain order.

    Default: the whole life of the deployment. names: contracts by lower-case address, if not those of the
    network file. Ranges that a node finds too big are halved.
    """
    start = chain.network.start_block if first is None else first
    end = as_int(await chain.provider.request("eth_blockNumber")) if last is None else last
    found: list[dict[str, Any]] = []
    chunk = max(1, end - start + 1)
    while start <= end:
        stop = min(end, start + chunk - 1)
        try:
            found += await chain.logs(start, stop, topics=list(topics), addresses=addresses)
        except RpcError:
            if stop == start:
                raise
            chunk = max(1, (stop - start + 1) // 2)
            continue
        start = stop + 1
    return decode_all(found, names or chain.contract_names)


async def task_events(chain: Chain, task_id: bytes, *, first: int | None = None) -> list[Event]:
    """Every event that names the task, over all contracts, in chain order."""
    topic = "0x" + task_id.hex()
    by_place = await asyncio.gather(
        *(find_events(chain, [None] * place + [topic], first=first) for place in (1, 2, 3))
    )
    ours = {
        (event.block_hash, event.log_index): event
        for events in by_place
        for event in events
        if event.task_id == task_id
    }
    return sorted(ours.values(), key=lambda event: event.order)
