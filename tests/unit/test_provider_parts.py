"""The provider's smaller parts without processes: pokes, content, the door, model choice, files, commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from cluster import agent_actor
from cluster.config import parse_config
from cluster.content import INVALID_INPUT, content_for, is_invalid_input, judge, payload_of
from cluster.context import ChainClock
from cluster.deployments import Deployments
from cluster.door import Door
from cluster.driver import App
from cluster.poker import Poker
from cluster.upkeep import worth_refreshing
from contracts.events import BlockRef, Event
from mlbridge.errors import MLBridgeError
from mlbridge.models import EXACT
from mlbridge.protocol import content as tagged
from mlbridge.protocol.cid import DAG_PB, block_cid, cid_from_bytes, cid_to_bytes
from mlbridge.protocol.payload import MAX_INPUT_BYTES
from mlbridge.protocol.types import Vote
from mlbridge.protocol.unixfs import cid_of
from mlbridge.storage import open_store
from serve.guard import Guard, GuardRules
from serve.orders import HEADER
from tests.unit.test_provider_config import fields

TASK, MODEL = b"t" * 32, b"m" * 32
KEY = bytes.fromhex("11" * 32)


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Commands and the actor point the logs elsewhere."""
    yield
    structlog.reset_defaults()


# ---- pokes ----
def event(name: str, block: int = 10, task: bytes = TASK, **args: Any) -> Event:
    return Event(name, "TaskManager", {"taskId": task, **args}, "0x", block, "0x", "0x", 0)


def poker(patience: float = 2) -> Poker:
    made = Poker(patience=lambda _: patience)
    made.note(event("TaskSubmitted", modelId=MODEL, randomnessBlock=12), {MODEL})
    return made


def test_a_draw_is_due_behind_its_block_and_after_the_others_had_their_time() -> None:
    watch = poker()
    assert watch.due(12, 100) == []
    assert watch.due(13, 100) == []
    assert watch.due(13, 101.9) == []
    assert watch.due(13, 102) == [TASK]
    watch.tried(TASK, 102)
    assert watch.due(13, 103) == []
    assert watch.due(13, 104) == [TASK]


def test_a_phase_is_due_after_its_deadline() -> None:
    watch = poker(0)
    watch.note(event("CommitteeDrawn", commitDeadline=200), {MODEL})
    assert watch.due(99, 200) == []
    assert watch.due(99, 201) == [TASK]
    watch.note(event("RevealOpened", revealDeadline=300), {MODEL})
    assert watch.due(99, 300) == []
    watch.note(event("TaskEscalated", randomnessBlock=50), {MODEL})
    assert watch.due(51, 1) == [TASK]


def test_only_served_models_are_watched_until_their_tasks_end() -> None:
    watch = poker()
    watch.note(event("TaskSubmitted", task=b"o" * 32, modelId=b"o" * 32, randomnessBlock=1), {MODEL})
    watch.note(event("RandomnessArmed", task=b"u" * 32, randomnessBlock=1), {MODEL})
    watch.note(Event("Jailed", "RewardDistributor", {"account": 1}, "0x", 1, "0x", "0x", 0), {MODEL})
    assert len(watch) == 1
    watch.note(event("TaskFinalized"), {MODEL})
    assert len(watch) == 0


def test_after_a_reorganisation_the_task_is_looked_at_again() -> None:
    watch = poker(0)
    watch.note(event("CommitteeDrawn", block=20, commitDeadline=10**9), {MODEL})
    watch.void_from(21)
    assert watch.due(30, 1) == []
    watch.void_from(20)
    assert watch.due(30, 1) == [TASK]


# ---- content ----
async def test_payloads_travel_inline_or_by_reference(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    for payload in (b"small", b"x" * 5000):
        data = await content_for(payload, store)
        assert await payload_of(data, store) == payload
    assert (await content_for(b"x" * 5000, store))[0] == 1


async def test_what_nobody_can_read_is_invalid_and_what_leads_nowhere_is_not(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    cid = await store.put(b"something")
    with pytest.raises(MLBridgeError) as lie:
        await payload_of(tagged.reference(b"something else", cid), store)
    assert is_invalid_input(lie.value)
    # Trees, also those that nobody has: in other chunks, too large, a directory.
    for codec in (block_cid(DAG_PB, b"any"), cid_to_bytes(cid_of(bytes(MAX_INPUT_BYTES + 1)))):
        with pytest.raises(MLBridgeError) as tree:
            await payload_of(tagged.reference(b"any", cid_from_bytes(codec)), store)
        assert tree.value.code == "content.form"
        assert is_invalid_input(tree.value)
    assert not is_invalid_input(MLBridgeError("content.corrupt", "A damaged disk."))
    gone = await open_store(f"file://{tmp_path / 'other'}").put(b"elsewhere")
    with pytest.raises(MLBridgeError) as missing:
        await payload_of(tagged.reference(b"elsewhere", gone), store)
    assert not is_invalid_input(missing.value)
    with pytest.raises(MLBridgeError) as untagged:
        await payload_of(b"\x07", store)
    assert is_invalid_input(untagged.value)
    assert not is_invalid_input(MLBridgeError("execute.timeout", "late"))
    assert is_invalid_input(MLBridgeError("payload.invalid", "no text"))


def test_unreachable_candidates_are_grey_and_invalid_ones_compare_by_bytes() -> None:
    assert judge(EXACT, b"a", None) is Vote.GREY
    assert judge(EXACT, b"a", b"a") is Vote.ACCEPT
    assert judge(EXACT, INVALID_INPUT, b"a") is Vote.REJECT
    assert judge(EXACT, b"a", INVALID_INPUT) is Vote.REJECT
    assert judge(EXACT, INVALID_INPUT, INVALID_INPUT) is Vote.ACCEPT


# ---- the door ----
def door(*answers: httpx2.Response | Exception) -> tuple[Door, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []
    left = list(answers)

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    return Door("http://here", KEY, 31337, client=client), seen


async def execute(opened: Door, timeout: float = 5) -> bytes:
    return await opened.execute(
        "/m/x", task=TASK, round=1, account=4, model=MODEL, payload=b"input", timeout=timeout
    )


async def test_an_order_is_one_that_the_guard_admits() -> None:
    opened, seen = door(httpx2.Response(200, content=b"output"))
    assert await execute(opened) == b"output"
    assert str(seen[0].url) == "http://here/m/x/v1/execute"
    node = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    guard = Guard(GuardRules(chain_id=31337, model_id=MODEL, node_keys=frozenset({node})))
    order = guard.admit(seen[0].headers[HEADER], seen[0].content)
    assert (order.task_id, order.round, order.account, order.node) == (TASK, 1, 4, node)


async def test_a_full_or_absent_replica_is_asked_again() -> None:
    busy = httpx2.Response(503, json={"code": "serve.busy", "message": "Full."}, headers={"retry-after": "0"})
    opened, seen = door(
        busy,
        httpx2.ConnectError("refused"),
        httpx2.Response(404, text="no app"),
        httpx2.Response(200, content=b"o"),
    )
    assert await execute(opened) == b"o"
    assert len(seen) == 4


async def test_a_refusal_for_good_is_raised_with_its_own_code() -> None:
    told = {"code": "payload.invalid", "message": "No text.", "hint": "Give some."}
    opened, seen = door(httpx2.Response(422, json=told))
    with pytest.raises(MLBridgeError, match=r"No text. Give some.") as refusal:
        await execute(opened)
    assert refusal.value.code == "payload.invalid"
    assert len(seen) == 1


async def test_the_door_gives_up_in_time() -> None:
    opened, _ = door(httpx2.Response(500, text="Internal Server Error"))
    began = time.monotonic()
    with pytest.raises(MLBridgeError, match="HTTP 500: Internal Server Error") as late:
        await execute(opened, timeout=0.3)
    assert late.value.code == "execute.timeout"
    assert time.monotonic() - began < 2


class RecordingCluster:
    """Says that everything runs."""

    owned = True
    logs = None

    def __init__(self, status: str = "RUNNING", *, timed_out: bool = False) -> None:
        self.requests: list[dict[str, Any]] = []
        self.status = status
        self.timed_out = timed_out

    def run(self, _module: str, request: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        self.requests.append(request)
        apps = request["apply"]["apps"] if "apply" in request else []
        states = {app["name"]: {"status": self.status, "message": ""} for app in apps}
        return {"apps": states, "timed_out": self.timed_out}


def test_what_runs_unchanged_is_not_deployed_again(tmp_path: Path) -> None:
    config = parse_config(fields(home=str(tmp_path)))
    cluster: Any = RecordingCluster()
    deployments = Deployments(config, cluster)
    first, second = (App(name=n, route=f"/{n}", import_path="a:b", args={}) for n in "ab")
    assert not deployments.as_recorded([first])
    assert deployments.apply([first])["a"].running
    assert deployments.as_recorded([first])
    assert not deployments.as_recorded([first, second])
    deployments.apply([first, second])
    assert cluster.requests[-1]["apply"]["unchanged"] == ["a"]
    changed = parse_config(fields(home=str(tmp_path), fault="silent"))
    assert not Deployments(changed, cluster).as_recorded([first, second])
    deployments.shutdown()
    assert not deployments.as_recorded([first, second])


def test_an_application_that_failed_is_tried_again(tmp_path: Path) -> None:
    cluster: Any = RecordingCluster("DEPLOY_FAILED")
    deployments = Deployments(parse_config(fields(home=str(tmp_path))), cluster)
    app = App(name="a", route="/a", import_path="a:b", args={})
    assert not deployments.apply([app])["a"].running
    deployments.apply([app])
    assert cluster.requests[-1]["apply"]["unchanged"] == []


def test_only_a_required_application_that_is_late_holds_the_provider_up(tmp_path: Path) -> None:
    cluster: Any = RecordingCluster("DEPLOYING", timed_out=True)
    deployments = Deployments(parse_config(fields(home=str(tmp_path))), cluster)
    app = App(name="a", route="/a", import_path="a:b", args={})
    assert deployments.apply([app])["a"].status == "DEPLOYING"
    with pytest.raises(MLBridgeError, match=r"a \(DEPLOYING\)") as late:
        deployments.apply([app], required={"a"})
    assert late.value.code == "deploy.timeout"


# ---- upkeep ----
@pytest.mark.parametrize(
    ("known", "weight", "worth"),
    [
        (None, 5, True),
        (5, 5, False),
        (100, 101, False),
        (100, 103, True),
        (100, 97, True),
        (0, 1, True),
        (9, 0, True),
    ],
)
def test_a_weight_is_refreshed_when_it_pays(known: int | None, weight: int, worth: bool) -> None:
    assert worth_refreshing(known, weight) is worth


def test_the_chains_time_goes_on_between_blocks() -> None:
    clock = ChainClock()
    clock.see(BlockRef(5, "0xa", 1000))
    first = clock.now()
    time.sleep(0.02)
    clock.see(BlockRef(5, "0xa", 1000))
    assert 1000 <= first < clock.now() < 1001


# ---- the actor around the agent ----
async def test_an_agent_with_a_passing_problem_starts_again_in_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_actor, "_RETRY", 0.01)
    monkeypatch.setattr(agent_actor.threading.Thread, "start", lambda _self: None)
    actor = agent_actor.AgentActor(parse_config(fields(home=str(tmp_path))).model_dump(mode="json"))
    errors: list[BaseException] = [
        MLBridgeError("chain.unreachable", "No answer."),
        ExceptionGroup("", [ExceptionGroup("", [MLBridgeError("keystore.missing", "No key.")])]),
        RuntimeError("a defect"),
    ]
    told = []

    async def once() -> None:
        told.append(actor.status()["problem"])
        raise errors.pop(0)

    monkeypatch.setattr(actor, "_once", once)
    with pytest.raises(RuntimeError, match="a defect"):
        await actor._run()
    assert told == ["starting", "No answer.", "No key."]
