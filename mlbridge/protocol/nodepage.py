"""What a provider's node says of itself (GET <node>/node): which accounts are its own, and where its models
answer. It may lie; what is not even possible is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

MAX_PAGE: Final = 256 << 10
MAX_MODELS: Final = 1_024
MAX_ACCOUNTS: Final = 64

Key = tuple[int, bytes]
"""(account, model id)."""


def claims(page: Any, node: str) -> Iterable[tuple[Key, str]]:
    """Endpoints by (account, model id), without a slash at their ends. node: base URL of the page's node.

    Raises KeyError, TypeError or ValueError for a page that cannot be.
    """
    if not isinstance(page, dict):
        raise ValueError("the page is no map")
    accounts, models = page.get("accounts"), page.get("models")
    if not isinstance(accounts, dict) or not isinstance(models, list) or len(models) > MAX_MODELS:
        raise ValueError("the page names no accounts and models")
    if len(accounts) > MAX_ACCOUNTS:
        # Each is claimed for each model.
        raise ValueError("the page names too many accounts")
    numbers = [int(account) for account in accounts if account.isdecimal() and len(account) <= 10]
    for model in models:
        name, endpoint = model["id"], model["endpoint"]
        # A page could otherwise send us anywhere, also to machines that only we can reach.
        if not isinstance(endpoint, str) or _origin(endpoint) != _origin(node):
            raise ValueError("a model answers at another origin than its node")
        for account in numbers:
            yield (account, bytes.fromhex(str(name).removeprefix("0x"))), endpoint.rstrip("/")


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"{url!r} is no http URL")
    return parts.scheme, parts.netloc
