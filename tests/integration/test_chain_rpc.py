"""The JSON-RPC provider against a node that fails in every way."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import structlog
from aiohttp import web

from contracts.chain import Chain, Endpoint
from contracts.rpc import Provider, RpcError, RpcUnreachableError, public_part

Answer = Callable[[Any, int], web.Response]


class Node:
    """Answers by script and counts the requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Answer = lambda request, count: result(request, "0x1")
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = json.loads(await request.text())
        self.asked.append(body[0]["method"] if isinstance(body, list) else body["method"])
        return self.answer(body, len(self.asked))


def result(request: dict[str, object], value: object) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": request["id"], "result": value})


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    scripted = Node()
    application = web.Application()
    application.router.add_post("/", scripted.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield scripted
    await runner.cleanup()


@pytest.fixture
async def provider(node: Node) -> AsyncIterator[Provider]:
    opened = Provider(node.url, timeout_s=2)
    yield opened
    await opened.disconnect()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_reads_are_tried_again(node: Node, provider: Provider, status: int) -> None:
    node.answer = lambda request, count: (
        web.Response(status=status, text="busy") if count < 3 else result(request, "0x7")
    )
    assert await provider.request("eth_blockNumber") == "0x7"
    assert len(node.asked) == 3


async def test_reads_are_not_tried_for_ever(node: Node, provider: Provider) -> None:
    node.answer = lambda request, count: web.Response(status=503, text="down")
    with pytest.raises(RpcUnreachableError, match="503"):
        await provider.request("eth_getLogs", [{}])
    assert len(node.asked) == 4


async def test_many_reads_travel_together_and_come_back_in_order(node: Node, provider: Provider) -> None:
    def answer(request: Any, count: int) -> web.Response:
        assert isinstance(request, list)
        told = [{"jsonrpc": "2.0", "id": one["id"], "result": one["params"][0]} for one in request]
        return web.json_response(told[::-1])

    node.answer = answer
    wanted = [[f"0x{number:x}"] for number in range(250)]
    assert await provider.request_many("eth_call", wanted) == [one for (one,) in wanted]
    assert len(node.asked) == 3
    assert await provider.request_many("eth_call", []) == []


async def test_a_node_that_takes_no_batches_is_asked_one_by_one(node: Node, provider: Provider) -> None:
    def answer(request: Any, count: int) -> web.Response:
        if isinstance(request, list):
            error = {"code": -32600, "message": "no batches here"}
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": error})
        return result(request, request["params"][0])

    node.answer = answer
    assert await provider.request_many("eth_call", [["0x1"], ["0x2"]]) == ["0x1", "0x2"]


async def test_one_bad_answer_of_a_batch_is_an_error(node: Node, provider: Provider) -> None:
    def refused(request: Any, count: int) -> web.Response:
        bad = {"jsonrpc": "2.0", "id": request[1]["id"], "error": {"code": 3, "message": "reverted"}}
        return web.json_response([{"jsonrpc": "2.0", "id": request[0]["id"], "result": "0x1"}, bad])

    node.answer = refused
    with pytest.raises(RpcError, match="reverted"):
        await provider.request_many("eth_call", [["0x1"], ["0x2"]])
    node.answer = lambda request, count: web.json_response([])
    with pytest.raises(RpcUnreachableError, match="missing"):
        await provider.request_many("eth_call", [["0x1"]])


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "evm_mine"])
async def test_what_changes_something_is_sent_once(node: Node, provider: Provider, method: str) -> None:
    node.answer = lambda request, count: web.Response(status=503, text="down")
    with pytest.raises(RpcUnreachableError):
        await provider.request(method)
    assert len(node.asked) == 1


async def test_refusals_are_not_retried(node: Node, provider: Provider) -> None:
    node.answer = lambda request, count: web.Response(status=401, text="no key")
    with pytest.raises(RpcUnreachableError, match="401"):
        await provider.request("eth_chainId")
    assert len(node.asked) == 1


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_errors_keep_code_text_and_data(node: Node, provider: Provider, status: int) -> None:
    problem = {"code": 3, "message": "execution reverted", "data": "0x01"}
    node.answer = lambda request, count: web.json_response(
        {"id": request["id"], "error": problem}, status=status
    )
    with pytest.raises(RpcError) as caught:
        await provider.request("eth_call", [])
    assert (caught.value.rpc_code, caught.value.text, caught.value.data) == (3, "execution reverted", "0x01")
    assert len(node.asked) == 1


LIMIT = {"error": {"code": -32005, "message": "rate limit"}}


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    "body",
    [LIMIT, {"message": "slow down"}, {"error": {"code": -1, "message": "x", "data": {"see": "a page"}}}],
)
async def test_a_busy_node_is_busy_whatever_its_body_says(
    node: Node, provider: Provider, status: int, body: dict[str, object]
) -> None:
    node.answer = lambda request, count: (
        web.json_response(body, status=status) if count < 3 else result(request, "0x7")
    )
    assert await provider.request("eth_blockNumber") == "0x7"
    node.answer = lambda request, count: web.json_response(body, status=status)
    with pytest.raises(RpcUnreachableError, match=str(status)):
        await provider.request("eth_sendRawTransaction", ["0x"])


@pytest.mark.parametrize("status", [200, 401, 403])
@pytest.mark.parametrize(
    "body", [{"message": "no key"}, {"error": "no key"}, {"id": 1, "error": None}, [], "no key"]
)
async def test_answers_without_a_result_are_refused(
    node: Node, provider: Provider, status: int, body: object
) -> None:
    node.answer = lambda request, count: web.json_response(body, status=status)
    with pytest.raises(RpcUnreachableError, match="not a JSON-RPC answer" if status == 200 else str(status)):
        await provider.request("eth_getTransactionCount", ["0x", "latest"])
    assert len(node.asked) == 1


async def test_an_empty_result_is_a_result(node: Node, provider: Provider) -> None:
    node.answer = lambda request, count: result(request, None)
    assert await provider.request("eth_getTransactionReceipt", ["0x"]) is None


async def test_retries_and_tracebacks_hide_the_key_in_the_url(node: Node) -> None:
    node.answer = lambda request, count: web.json_response(LIMIT, status=429)
    opened = Provider(f"{node.url}?key=secret", timeout_s=2)
    with structlog.testing.capture_logs() as lines, pytest.raises(RpcUnreachableError) as caught:
        await opened.request("eth_chainId")
    await opened.disconnect()
    assert len([line for line in lines if line["event"] == "stamina.retry_scheduled"]) == 3
    assert "secret" not in str(lines) + "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["ftp://node.example/secret", "http://node.example:port/secret"])
async def test_what_is_no_url_is_not_shown_either(url: str) -> None:
    with pytest.raises(RpcUnreachableError) as caught:
        await Endpoint.open(url, timeout_s=1)
    assert "secret" not in str(caught.value)


async def test_nonsense_is_unreachable(node: Node, provider: Provider) -> None:
    node.answer = lambda request, count: web.Response(text="<html>hello</html>")
    with pytest.raises(RpcUnreachableError, match="not a JSON-RPC answer"):
        await provider.request("eth_chainId")


async def test_secrets_in_urls_are_not_shown(node: Node) -> None:
    assert (
        public_part("https://user:pass@node.example:8443/v3/secret?key=secret") == "https://node.example:8443"
    )
    with pytest.raises(RpcUnreachableError) as caught:
        await Endpoint.open("http://127.0.0.1:1/v3/secret", timeout_s=1)
    assert "secret" not in str(caught.value)


@pytest.mark.integration
async def test_confused_networks_do_not_show_secrets_either(chain: Chain) -> None:
    url = f"{chain.network.rpc_url}/?key=secret"
    wrong = chain.network.model_copy(update={"chain_id": 1, "rpc_url": url})
    with pytest.raises(Exception, match="serves chain 31337") as caught:
        await Chain.connect(wrong)
    assert "secret" not in str(caught.value)
