"""API keys `mlb_sk_<id>_<secret>`: made, checked, listed, revoked. Of the secret only its SHA-256 is kept.

No slow hash: the secret is 256 random bits, which nobody guesses, not a password.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Row, insert, select, update

from gateway import tables
from gateway.config import LaneName, check_rate
from gateway.store import Store, unknown_key
from mlbridge.errors import MLBridgeError

Scope = Literal["inference", "read"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
PREFIX: Final = "mlb_sk_"
USED_EVERY_S: Final = 60.0
_TEXT: Final = re.compile(rf"{PREFIX}([a-z0-9]{{12}})_([0-9a-f]{{64}})", re.ASCII)
_ID_LETTERS: Final = string.ascii_lowercase + string.digits
MAX_WEI: Final = 2**93  # the most that a task on chain can pay

Wei = Annotated[int, Field(ge=0, lt=MAX_WEI)]


class Choices(BaseModel):
    """What a requester chooses for a task, in a request or for a key.

    seats: committee size; policy: refuse models whose results are compared otherwise; max_price_wei: most to
    pay for a task.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lane: LaneName | None = Field(default=None, description="how the task reaches the network")
    seats: int | None = Field(default=None, ge=3, le=15, description="committee size")
    policy: Literal["exact", "numeric"] | None = Field(
        default=None, description="refuse models whose results are compared otherwise"
    )
    max_price_wei: Wei | None = Field(default=None, description="most wei to pay for a task")

    def over(self, others: Choices) -> Choices:
        """These, and of the others what is not chosen here; the lower of two prices."""
        prices = [wei for wei in (self.max_price_wei, others.max_price_wei) if wei is not None]
        return Choices(
            lane=self.lane or others.lane,
            seats=self.seats or others.seats,
            policy=self.policy or others.policy,
            max_price_wei=min(prices, default=None),
        )


def parse_choices(told: Mapping[str, object], names: Mapping[str, str] | None = None) -> Choices:
    """Choices from texts. names: what a field is called where it was told.

    Raises MLBridgeError `choices.invalid`.
    """
    try:
        return Choices.model_validate(dict(told))
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        name = (names or {}).get(field, field)
        raise MLBridgeError(
            "choices.invalid",
            f"{name}: {first['msg']}.",
            hint="It takes what /openapi.json says of it.",
            exit_code=2,
            param=name,
        ) from error


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. Amounts in wei, times in unix seconds; budget None: no limit."""

    id: str
    name: str
    scopes: frozenset[str]
    budget: int | None
    spent: int
    reserved: int
    choices: Choices
    rate: str | None
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    used_at: float | None

    def allow(self, scope: Scope) -> None:
        """Raises MLBridgeError `key.scope`."""
        if scope not in self.scopes:
            raise MLBridgeError(
                "key.scope",
                f"This API key may not do that: it lacks the scope {scope}.",
                hint="Use another key, or have one made with that scope.",
                exit_code=3,
            )

    def view(self) -> dict[str, Any]:
        """For people and machines: amounts as decimal strings."""
        return {
            "id": self.id,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "budget_wei": None if self.budget is None else str(self.budget),
            "spent_wei": str(self.spent),
            "reserved_wei": str(self.reserved),
            "choices": self.choices.model_dump(exclude_none=True),
            "rate": self.rate,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
            "used_at": self.used_at,
        }


class Keys:
    """The keys of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self,
        name: str,
        *,
        scopes: frozenset[str] = frozenset(SCOPES),
        budget: int | None = None,
        choices: Choices | None = None,
        rate: str | None = None,
        expires_at: float | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and the text that opens it, which is nowhere else.

        budget: most wei its tasks may cost in all. Raises MLBridgeError `key.bad_scope`, `key.bad_rate`.
        """
        unknown = sorted(scopes - set(SCOPES))
        if unknown or not scopes:
            raise MLBridgeError(
                "key.bad_scope",
                f"There is no scope {unknown[0]!r}." if unknown else "A key needs a scope.",
                hint=f"Scopes: {', '.join(SCOPES)}.",
                exit_code=2,
            )
        if rate is not None:
            try:
                check_rate(rate)
            except ValueError as error:
                raise MLBridgeError("key.bad_rate", f"{rate!r} is no rate: {error}.", exit_code=2) from error
        key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(12))
        secret = secrets.token_hex(32)
        values = {
            "id": key_id,
            "name": name,
            "digest": _digest(secret),
            "scopes": " ".join(sorted(scopes)),
            "budget_wei": None if budget is None else str(budget),
            "spent_wei": "0",
            "reserved_wei": "0",
            "choices": json.dumps((choices or Choices()).model_dump(exclude_none=True)),
            "rate": rate,
            "created_at": time.time(),
            "expires_at": expires_at,
        }
        async with self._store.writing() as connection:
            await connection.execute(insert(tables.keys).values(values))
        return await self.get(key_id), f"{PREFIX}{key_id}_{secret}"

    async def get(self, key_id: str) -> ApiKey:
        """A key by its id. Raises MLBridgeError `key.unknown`."""
        async with self._store.reading() as connection:
            row = (await connection.execute(select(tables.keys).where(tables.keys.c.id == key_id))).first()
        if row is None:
            raise unknown_key(key_id)
        return _key(row)

    async def all(self) -> list[ApiKey]:
        """Every key, oldest first, revoked ones too."""
        async with self._store.reading() as connection:
            rows = await connection.execute(select(tables.keys).order_by(tables.keys.c.created_at))
            return [_key(row) for row in rows]

    async def revoke(self, key_id: str) -> ApiKey:
        """End a key; its tasks under way go on. Raises MLBridgeError `key.unknown`."""
        table = tables.keys
        async with self._store.writing() as connection:
            await connection.execute(
                update(table)
                .where(table.c.id == key_id, table.c.revoked_at.is_(None))
                .values(revoked_at=time.time())
            )
        return await self.get(key_id)

    async def open(self, text: str) -> ApiKey:
        """The key that a text opens. Raises MLBridgeError `key.invalid`, `key.revoked`, `key.expired`."""
        shape = _TEXT.fullmatch(text)
        if shape is None:
            raise _refused("key.invalid", "This API key is not known here.")
        key_id, secret = shape.groups()
        async with self._store.reading() as connection:
            row = (await connection.execute(select(tables.keys).where(tables.keys.c.id == key_id))).first()
        digest = _digest(secret)
        known = "0" * 64 if row is None else str(row.digest)
        if not hmac.compare_digest(digest, known) or row is None:
            raise _refused("key.invalid", "This API key is not known here.")
        key, now = _key(row), time.time()
        if key.revoked_at is not None:
            raise _refused("key.revoked", "This API key was revoked.")
        if key.expires_at is not None and key.expires_at <= now:
            raise _refused("key.expired", "This API key has expired.")
        if key.used_at is None or now - key.used_at > USED_EVERY_S:
            async with self._store.writing() as connection:
                await connection.execute(
                    update(tables.keys).where(tables.keys.c.id == key_id).values(used_at=now)
                )
        return key


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _refused(code: str, message: str) -> MLBridgeError:
    return MLBridgeError(
        code,
        message,
        hint="Send `Authorization: Bearer mlb_sk_...`; `mlbridge gateway key create` makes a key.",
        exit_code=3,
    )


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        scopes=frozenset(row.scopes.split()),
        budget=None if row.budget_wei is None else int(row.budget_wei),
        spent=int(row.spent_wei),
        reserved=int(row.reserved_wei),
        choices=Choices.model_validate_json(row.choices),
        rate=row.rate,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )
