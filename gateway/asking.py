"""What both dialects read from a request beside its body."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from gateway.book import Mark
from gateway.keys import ApiKey, Choices, parse_choices
from gateway.service import Service
from mlbridge.errors import MLBridgeError

HEADERS = {
    "lane": "x-mlbridge-lane",
    "seats": "x-mlbridge-seats",
    "policy": "x-mlbridge-policy",
    "max_price_wei": "x-mlbridge-max-price-wei",
}
VERIFIED = "x-mlbridge-verified"
MAX_KEY = 128


def service_of(request: Request) -> Service:
    """The replica's core."""
    service: Service = request.app.state.service
    return service


def key_of(request: Request) -> ApiKey:
    """Whose request it is; the door has checked the key."""
    key: ApiKey = request.state.key
    return key


def choices_of(request: Request, body: Choices) -> Choices:
    """What the body chooses, then what the headers do. Raises MLBridgeError `choices.invalid`."""
    told = {field: request.headers[name] for field, name in HEADERS.items() if name in request.headers}
    return body.over(parse_choices(told, HEADERS))


def waits_for_verdict(request: Request) -> bool:
    """Whether a header asks for no stream before the verdict. Raises MLBridgeError `choices.invalid`."""
    told = request.headers.get(VERIFIED)
    if told not in (None, "wait"):
        raise MLBridgeError(
            "choices.invalid",
            f"{VERIFIED} can only be `wait`.",
            hint="Leave it out to read along while the answer is made.",
            exit_code=2,
            param=VERIFIED,
        )
    return told == "wait"


def mark_of(request: Request, body: Any) -> Mark | None:
    """The mark of a request with an Idempotency-Key. Raises MLBridgeError `idempotency.bad_key`."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY:
        raise MLBridgeError(
            "idempotency.bad_key", f"An Idempotency-Key has 1 to {MAX_KEY} characters.", exit_code=2
        )
    chosen = {name: request.headers.get(name) for name in (*HEADERS.values(), VERIFIED)}
    return Mark.of(key_of(request).id, request.url.path, key, [body, chosen])
