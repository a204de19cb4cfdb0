"""Unmodified clients of OpenAI's API, as their users call them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

HELLO: Final[list[Any]] = [{"role": "user", "content": "hello"}]
_CLIENTS: Final = Path(__file__).parents[1] / "clients"


def ask_by_node(base_url: str, key: str, chat: str, embedding: str) -> dict[str, Any]:
    """What the openai package for Node makes of a gateway: see tests/clients/openai.mjs."""
    done = subprocess.run(
        ["node", "openai.mjs", chat, embedding],
        cwd=_CLIENTS,
        env=os.environ | {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
