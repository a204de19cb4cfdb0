"""The guard in front of an engine: nothing runs without an order by one of this provider's own node keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from eth_utils.address import is_address, to_checksum_address

from mlbridge.errors import MLBridgeError
from mlbridge.protocol.hashing import payload_root
from serve.orders import HEADER, ExecutionOrder, SignedOrder, parse_header

OrderKey = tuple[bytes, int, int, bytes]


@dataclass(frozen=True)
class GuardRules:
    """What a guard lets through.

    model_id: 32 bytes; node_keys: checksummed addresses; max_validity_s: how far in the future an order may
    expire, which bounds the use of a stolen one; skew_s: how long after its expiry an order still counts,
    for clocks that differ.
    """

    chain_id: int
    model_id: bytes
    node_keys: frozenset[str]
    max_validity_s: int = 3600
    skew_s: int = 5


class Guard:
    """Checks orders. Holds no state but its rules."""

    def __init__(self, rules: GuardRules, *, now: Callable[[], float] = time.time) -> None:
        self._rules = rules
        self._now = now

    def admit(self, header: str | None, body: bytes) -> ExecutionOrder:
        """The order in `header` if it permits running `body` here and now.

        Raises MLBridgeError order.missing, order.malformed, order.expired, order.validity, order.model,
        order.input, order.node or order.signature. The signature comes last: it costs milliseconds.
        """
        if header is None:
            raise MLBridgeError(
                "order.missing",
                "This model runs only what its own node orders.",
                hint=f"Send a signed order in the {HEADER} header.",
                exit_code=3,
            )
        signed = parse_header(header)
        order = signed.order
        self._check_time(order)
        if order.model_id != self._rules.model_id:
            raise MLBridgeError(
                "order.model",
                "The order is for another model.",
                hint="See model_id in /v1/info.",
                exit_code=2,
            )
        if order.input_hash != payload_root(body):
            raise MLBridgeError(
                "order.input",
                "The body is not the input that the order names.",
                hint="inputHash is keccak256 of the body's bytes.",
                exit_code=2,
            )
        self._check_signer(signed)
        return order

    def _check_time(self, order: ExecutionOrder) -> None:
        left = order.expires_at - self._now()
        if left < -self._rules.skew_s:
            raise MLBridgeError(
                "order.expired",
                f"The order expired {-left:.0f} s ago.",
                hint="Sign a new one; check that both clocks are right.",
                exit_code=3,
            )
        if left > self._rules.max_validity_s + self._rules.skew_s:
            raise MLBridgeError(
                "order.validity",
                f"The order is valid for {left:.0f} s, longer than {self._rules.max_validity_s} s.",
                hint="Sign orders that expire sooner.",
                exit_code=2,
            )

    def _check_signer(self, signed: SignedOrder) -> None:
        node = signed.order.node
        if node not in self._rules.node_keys:
            raise MLBridgeError(
                "order.node",
                f"{node} is not a node key of this provider.",
                hint="Add it to node_keys in the application's arguments.",
                exit_code=3,
            )
        if signed.signer(self._rules.chain_id) != node:
            raise MLBridgeError(
                "order.signature",
                "The execution order's signature does not belong to its node.",
                hint="Sign with the node key named in the order, for this chain id.",
                exit_code=3,
            )


def order_key(order: ExecutionOrder) -> OrderKey:
    """What makes two orders the same work: seat and input. A renewed expiry changes nothing."""
    return order.task_id, order.round, order.account, order.input_hash


def node_keys(addresses: Iterable[str]) -> frozenset[str]:
    """Checksummed addresses. Raises MLBridgeError guard.keys when one is none."""
    listed = list(addresses)
    for address in listed:
        if not is_address(address):
            raise MLBridgeError("guard.keys", f"{address!r} is not an address.", exit_code=2)
    return frozenset(str(to_checksum_address(address)) for address in listed)
