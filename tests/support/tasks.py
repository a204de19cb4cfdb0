"""Real tasks of every kind, run by scripted members, for tests that need a finished one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from eth_account.signers.local import LocalAccount

from contracts.anvil import dev_account
from contracts.chain import Chain
from contracts.sender import Sender
from mlbridge.protocol.payload import EmbeddingOutput, decode_output, encode_output, pack_vector
from mlbridge.protocol.types import Policy, Role, Vote
from mlbridge.sdk import AsyncClient, Receipt, TaskEndedError
from mlbridge.storage import ContentStore
from tests.support.seats import FAST, Script, acting, make_members, register_model, wrong_label

IMAGE: Final[dict[str, object]] = {"kind": "classification", "image": [i % 17 for i in range(64)]}
TEXT: Final[dict[str, object]] = {"kind": "embedding", "text": "a sentence"}
HONEST: Final = Script()
LIAR: Final = Script(result=wrong_label)


def client_for(
    chain: Chain, account: LocalAccount | None = None, store: ContentStore | None = None
) -> AsyncClient:
    """An SDK client of its own connection; default account: a rich one that is not the treasury."""
    return AsyncClient(chain.network, account or dev_account(1), store, policy=FAST)


def vector(*values: float) -> Callable[[bytes], bytes]:
    """A member whose embedding is always this."""
    payload = encode_output("embedding", {"embedding": pack_vector(values)})
    return lambda _: payload


def near(own: bytes, candidate: bytes) -> Vote:
    """ACCEPT embeddings whose first value is within 0.1 of the own one."""
    mine, theirs = (decode_output("embedding", payload) for payload in (own, candidate))
    assert isinstance(mine, EmbeddingOutput)
    assert isinstance(theirs, EmbeddingOutput)
    return Vote.ACCEPT if abs(mine.vector[0] - theirs.vector[0]) < 0.1 else Vote.REJECT


NEAR: Final = tuple(Script(result=vector(1.0 + step / 100, 2.0), vote=near) for step in range(3))
FAR: Final = Script(result=vector(9.0, 2.0), vote=near)


async def run_task(
    chain: Chain,
    treasury: Sender,
    scripts: Sequence[Script],
    *,
    judges: Sequence[Script] = (),
    policy: Policy = Policy.EXACT,
    value: dict[str, object] = IMAGE,
    seats: int | None = None,
    store: ContentStore | None = None,
) -> Receipt:
    """Submit one task to a fresh model served by these members (and verifiers), wait for its end."""
    model = await register_model(chain, treasury, policy=policy)
    members = await make_members(chain, treasury, model, scripts)
    if judges:
        members += await make_members(chain, treasury, model, judges, role=Role.VERIFIER, mlb=25_000)
    for member in members:
        member.input_store = store
    async with client_for(chain, store=store) as client, acting(members):
        handle = await client.submit(model, value, seats=seats)
        try:
            return (await handle.wait(90)).receipt
        except TaskEndedError as error:
            return error.receipt


Case = Callable[[Chain, Sender], Awaitable[Receipt]]


async def agreeing(chain: Chain, treasury: Sender) -> Receipt:
    """Three of three agree."""
    return await run_task(chain, treasury, [HONEST] * 3)


async def judged(chain: Chain, treasury: Sender) -> Receipt:
    """One of three lies; judges rule against it."""
    return await run_task(chain, treasury, [HONEST, HONEST, LIAR], judges=[HONEST] * 3)


async def voted(chain: Chain, treasury: Sender) -> Receipt:
    """Results differ within the tolerance; the members accept one another's."""
    return await run_task(chain, treasury, NEAR, policy=Policy.NUMERIC, value=TEXT)


async def voted_and_judged(chain: Chain, treasury: Sender) -> Receipt:
    """One result is far off; the members' votes dissent and judges vote it down."""
    members = [NEAR[0], NEAR[1], FAR]
    return await run_task(chain, treasury, members, judges=NEAR, policy=Policy.NUMERIC, value=TEXT)


async def replaced(chain: Chain, treasury: Sender) -> Receipt:
    """Four seats among six members of whom two are silent: whoever is silent is replaced."""
    return await run_task(chain, treasury, [HONEST] * 4 + [Script(commit=False)] * 2, seats=4)


async def unopened(chain: Chain, treasury: Sender) -> Receipt:
    """One does not open its commitment and one opens it wrongly; judges find the result."""
    members = [HONEST, Script(reveal="no"), Script(reveal="wrong")]
    return await run_task(chain, treasury, members, judges=[HONEST] * 3)


async def refunded(chain: Chain, treasury: Sender) -> Receipt:
    """One of three lies and there is nobody to judge."""
    return await run_task(chain, treasury, [HONEST, HONEST, LIAR])


CASES: Final[dict[str, Case]] = {
    case.__name__: case for case in (agreeing, judged, voted, voted_and_judged, replaced, unopened, refunded)
}
