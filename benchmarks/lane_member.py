"""What a seat in the channel lane costs beside the model: a lane order (offer and reveal) against a raw call.

One replica of a model of no work on a Serve of its own, one run, one client process. Everything that is sent
is signed beforehand, so the client's own work is small. `python -m benchmarks.lane_member` prints the figures
and a profile; docs/measurements/lane.md keeps them.
"""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
from eth_account import Account
from ray import serve

from mlbridge.protocol import exchange, orders712, wire
from mlbridge.protocol.exchange import ClosedSet, Pledge, Refusal
from mlbridge.protocol.orders712 import Commitment
from serve.lane.signer import Signer
from tests.support import lane_members as made
from tests.support.providers import write_keys
from tests.support.ray_local import local_serve
from tests.support.serve_apps import build

CHANNELS = 64
WINDOW = 64
ACCOUNT = 2


class Work:
    """Orders and what a coordinator sends for them: `take` gives an (offer, closed set) that nobody used."""

    def __init__(self) -> None:
        self._signer = Signer(made.node_key(ACCOUNT), made.DOMAIN)
        self._numbers = iter(range(CHANNELS * WINDOW))

    def take(self) -> tuple[bytes, bytes]:
        number = next(self._numbers)
        order = made.order_of(number % WINDOW, salt=number // WINDOW, deadline=made.NOW + 800)
        digest = made.digest_of(order)
        result = exchange.result_of(made.DOMAIN, digest, b"read " + made.INPUT)
        pledges = []
        for account in made.ACCOUNTS:
            salt = self._signer.salt(digest, account) if account == ACCOUNT else digest
            word = orders712.commitment(digest, account, result, salt)
            signed = wire.sign(Commitment(digest, account, word), made.DOMAIN, made.node_key(account))
            pledges.append(Pledge.of(signed))
        offer = made.offer_of(order, salt=number // WINDOW)
        return offer.to_bytes(), ClosedSet(digest, tuple(pledges)).to_bytes()

    def requests(self, count: int, size: int) -> list[tuple[bytes, bytes]]:
        """Bodies of `count` requests of `size` items each: offers and their closed sets."""
        found = []
        for _ in range(count):
            items = [self.take() for _ in range(size)]
            found.append((exchange.join([o for o, _ in items]), exchange.join([c for _, c in items])))
        return found


def header(body: bytes, since: float) -> dict[str, str]:
    """since: when the view was written, at the time NOW of its chain."""
    expires = made.NOW + int(time.time() - since) + exchange.LONGEST_REQUEST_S - 5
    return {exchange.HEADER: exchange.sign_request(body, ACCOUNT, expires, made.DOMAIN, made.COORDINATOR)}


def check(body: bytes) -> None:
    """Every item was done."""
    for item in exchange.split(body):
        told = exchange.read_answer(item)
        assert not isinstance(told, Refusal), told


async def timed(jobs: Sequence[Callable[[], Awaitable[None]]], at_once: int) -> tuple[float, float]:
    """(p50 of one job in ms, jobs a second), so many at a time."""
    gate, times = asyncio.Semaphore(at_once), []

    async def one(job: Callable[[], Awaitable[None]]) -> None:
        async with gate:
            started = time.perf_counter()
            await job()
            times.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(one(job) for job in jobs))
    return statistics.median(times) * 1000, len(jobs) / (time.perf_counter() - started)


async def measure(url: str, work: Work, since: float) -> list[str]:
    rows = []
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as client:

        async def raw() -> None:
            answer = await client.post(f"{url}/raw", content=made.INPUT)
            assert answer.status_code == 200

        async def send(route: str, body: bytes, headers: dict[str, str]) -> None:
            answer = await client.post(f"{url}/v1/lane/{route}", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            check(answer.content)

        async def both(pair: tuple[bytes, bytes], headers: tuple[dict[str, str], dict[str, str]]) -> None:
            await send("orders", pair[0], headers[0])
            await send("reveals", pair[1], headers[1])

        await timed([raw] * 50, 1)
        for at_once in (1, 16):
            p50, rate = await timed([raw] * 300, at_once)
            rows.append(f"| raw call | 1 | {at_once} | {p50:.1f} | {rate:.0f} |")
        for size, at_once, count in ((1, 1, 150), (1, 16, 400), (16, 1, 20), (16, 4, 40), (64, 2, 16)):
            pairs = work.requests(count, size)
            headers = [(header(one, since), header(two, since)) for one, two in pairs]
            jobs: list[Any] = [
                lambda pair=pair, both_=heads: both(pair, both_)
                for pair, heads in zip(pairs, headers, strict=True)
            ]
            p50, rate = await timed(jobs, at_once)
            rows.append(f"| order (offer and reveal) | {size} | {at_once} | {p50:.1f} | {rate * size:.0f} |")
    return rows


Signed = tuple[str, bytes, str, bytes]


def signed(work: Work, count: int, size: int, since: float) -> list[Signed]:
    """Requests with their headers: offers, then closed sets."""
    return [
        (header(one, since)[exchange.HEADER], one, header(two, since)[exchange.HEADER], two)
        for one, two in work.requests(count, size)
    ]


async def drive(seat: made.Seat, requests: list[Signed]) -> list[bytes]:
    """Offers and reveals in this process, without HTTP."""
    answers = []
    for first, offers, second, sets in requests:
        answers.append(await seat.member.orders(first, offers))
        answers.append(await seat.member.reveals(second, sets))
    return answers


async def inside(folder: Path, work: Work) -> str:
    """CPU time an order by items a request, and a profile of it."""
    seat, since = made.make_seat(folder, ACCOUNT, channels=CHANNELS), time.time()
    rows = ["| items a request | CPU ms an order |", "|---|---|"]
    for size, count in ((1, 200), (16, 20), (64, 6)):
        requests = signed(work, count, size, since)
        started = time.process_time()
        answers = await drive(seat, requests)
        rows.append(f"| {size} | {(time.process_time() - started) / count / size * 1000:.2f} |")
        for answer in answers:
            check(answer)
    requests = signed(work, 6, 64, since)
    found, text = cProfile.Profile(time.process_time), io.StringIO()
    found.enable()
    await drive(seat, requests)
    found.disable()
    pstats.Stats(found, stream=text).sort_stats("tottime").print_stats(16)
    return "\n".join(rows) + "\n" + text.getvalue()


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="lane-member-"))
    key = Account.from_key(made.node_key(ACCOUNT))
    write_keys(folder, key, key)
    made.write_view(folder / "view.sqlite", ACCOUNT, channels=CHANNELS)
    since = time.time()
    lane = {
        "channels": made.DOMAIN.contract,
        "view": str(folder / "view.sqlite"),
        "store": str(folder / "lane.sqlite"),
        "key": {"keystore": str(folder / "node.json"), "password_file": str(folder / "password")},
        "stale_s": 3600,
    }
    args = {
        "name": "parrot",
        "model_id": "0x" + made.MODEL.hex(),
        "chain_id": made.DOMAIN.chain_id,
        "directory": str(folder),
        "kind": "chat",
        "node_keys": [key.address],
        "queue": 127,
        "lane": lane,
    }
    work = Work()
    with local_serve() as local:
        serve.run(build({"model": args}), name="parrot", route_prefix="/parrot")
        rows = asyncio.run(measure(f"{local.url}/parrot", work, since))
    print("| what | items a request | requests at once | p50 ms a request or pair | items a second |")
    print("|---|---|---|---|---|")
    print("\n".join(rows))
    print(asyncio.run(inside(folder / "inside", work)))


if __name__ == "__main__":
    main()
