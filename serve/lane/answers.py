"""Answers for requesters themselves, whose coordinator does not bring them.

Only what this member attested is handed over: all commitments are closed then, so nobody copies anything. And
only to whoever signed the order, sealed to a key of his. Checks come cheapest first; nothing is written.
"""

from __future__ import annotations

from typing import Final

from mlbridge.errors import MLBridgeError
from mlbridge.protocol import exchange, fetching
from mlbridge.protocol.fetching import AnswerRequest
from mlbridge.protocol.orders712 import Domain
from mlbridge.protocol.wire import Signed
from serve.lane.admission import Wallets
from serve.lane.store import Held, LaneStore
from serve.lane.view import View

_MOST_ASKED: Final = 4
"""Contract accounts asked at once: anybody may sign wrongly, and each question is one to the chain node."""


class Answers:
    """Of one replica. wallets: None: requesters that are contract accounts are refused."""

    def __init__(self, store: LaneStore, view: View, domain: Domain, wallets: Wallets | None) -> None:
        self._store, self._view = store, view
        self._domain, self._wallets = domain, wallets
        self._asked = 0

    async def give(self, item: bytes) -> bytes:
        """The item with attestation, closed set and output, sealed.

        Raises MLBridgeError `message.malformed`, `request.*`, `lane.unknown_order`, `lane.not_attested`,
        `serve.busy`.
        """
        signed = fetching.parse_request(item)
        request = signed.message
        self._check_form(request)
        held = self._store.held(request.order)
        if held is None:
            raise MLBridgeError("lane.unknown_order", "This member made no commitment to that order.")
        attestation, closed = held.attestation, held.closed
        if attestation is None or closed is None:
            raise MLBridgeError(
                "lane.not_attested",
                "This member committed to that order and was shown no closed set of it.",
                hint="Ask again; if that stays so until its deadline, summon its seats.",
                retry_after=1,
            )
        await self._require_requester(signed, held)
        return fetching.write_handed(request, attestation=attestation, closed=closed, output=held.output)

    def _check_form(self, request: AnswerRequest) -> None:
        # An answer is handed over although the chain node is away.
        left = request.expires - self._view.reckoned()
        if not 0 <= left <= fetching.LONGEST_S:
            raise MLBridgeError(
                "request.expired",
                f"The request counts for {left:.0f} s, not for 0 to {fetching.LONGEST_S}.",
                hint="Sign it anew; the time is that of the chain.",
                exit_code=3,
            )
        if request.account != self._view.rules().account:
            raise MLBridgeError(
                "request.foreign",
                "The request was signed for another member.",
                hint=f"Sign one for account {self._view.rules().account}.",
                exit_code=3,
            )

    async def _require_requester(self, signed: Signed[AnswerRequest], held: Held) -> None:
        requester = exchange.parse_offer(held.offer).terms.requester
        try:
            if signed.signer(self._domain) == requester:
                return
        except MLBridgeError as error:
            if error.code != "signature.invalid":
                raise
        if not await self._asked_wallet(signed, requester):
            raise MLBridgeError(
                "request.requester",
                "The requester of that order did not sign the request.",
                hint="Sign it with the key that signed the order; a contract account is asked only where the "
                "provider takes orders of such.",
                exit_code=3,
            )

    async def _asked_wallet(self, signed: Signed[AnswerRequest], requester: str) -> bool:
        if self._wallets is None:
            return False
        if self._asked >= _MOST_ASKED:
            raise MLBridgeError("serve.busy", "Too many contract accounts are being asked.", retry_after=1)
        self._asked += 1
        try:
            return await self._wallets.signed(
                requester, signed.message.digest(self._domain), signed.signature
            )
        finally:
            self._asked -= 1
