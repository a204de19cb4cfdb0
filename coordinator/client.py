"""What the command line needs of a running coordinator's HTTP face."""

from __future__ import annotations

from typing import Any

import httpx2

from coordinator.config import CoordinatorConfig
from mlbridge.errors import MLBridgeError

EXIT_BY_STATUS = {401: 3, 402: 4, 403: 3, 404: 5, 422: 2, 504: 6}


def ask(
    config: CoordinatorConfig,
    method: str,
    path: str,
    *,
    body: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    timeout_s: float = 30.0,
) -> dict[str, Any]:
    """One request with the coordinator's token; the JSON answer.

    Raises MLBridgeError `coordinator.unreachable`, or what the answer's problem document says.
    """
    try:
        token = config.http_token_file.read_text().strip()
    except OSError as error:
        raise MLBridgeError(
            "coordinator.no_token",
            f"The token file {config.http_token_file} cannot be read ({error.strerror}).",
            hint="Start the coordinator first: mlbridge coordinator up",
            exit_code=3,
        ) from error
    try:
        answer = httpx2.request(
            method,
            f"{config.local_url}{path}",
            json=body,
            params=params,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout_s,
        )
    except httpx2.HTTPError as error:
        raise MLBridgeError(
            "coordinator.unreachable",
            f"No coordinator answers at {config.local_url} ({type(error).__name__}).",
            hint="Start it with: mlbridge coordinator up",
        ) from error
    found: dict[str, Any] = answer.json()
    if answer.status_code >= 400:
        raise MLBridgeError(
            str(found.get("code", "coordinator.http")),
            str(found.get("detail", answer.reason_phrase)),
            hint=str(found.get("hint", "")),
            exit_code=EXIT_BY_STATUS.get(answer.status_code, 1),
        )
    return found
