"""What `mlbridge coordinator` sends, and which model a name means to a coordinator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from contracts import reads
from contracts.reads import ModelInfo, ModelStatus
from coordinator import commands
from coordinator.catalogue import Catalogue
from mlbridge.protocol.types import Policy
from tests.support.command import saying

VIEW = {"task_id": "0x" + "01" * 32, "status": "queued", "ended": False, "payment_wei": "5"}


def test_submissions_name_their_price_in_eth_and_the_key_as_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "coordinator.yaml"
    file.write_text(yaml.safe_dump({"network": "devnet", "home": "state"}))
    sent: list[Any] = []
    monkeypatch.setattr(commands, "ask", lambda *_, body: sent.append(body) or VIEW)
    words = ["coordinator", "submit", "minilm", '{"text": "x"}', "--config", str(file), "--json"]
    with saying(monkeypatch, capsys) as say:
        said = say(*words, "--max-price", "0.000000000000000001", "--idempotency-key", "k")
        assert say(*words).json == VIEW
        refused = say(*words, "--max-price", "1.0.0").json["error"]
    assert json.loads(said.out) == VIEW
    assert (sent[0]["max_price_wei"], sent[0]["idempotency_key"]) == (1, "k")
    assert "max_price_wei" not in sent[1]
    assert refused["code"] == "input.not_an_amount"
    assert len(sent) == 2


async def test_a_name_that_others_have_too_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelInfo(b"1" * 32, 1, "0x", "cid", 5, ModelStatus.ACTIVE, 0, Policy.EXACT, b"e" * 32, "minilm")

    async def found(*_: object) -> ModelInfo:
        return model

    async def others(*_: object) -> list[bytes]:
        return [b"2" * 32]

    monkeypatch.setattr(reads, "find_model", found)
    monkeypatch.setattr(reads, "namesakes", others)
    chain: Any = None
    with structlog.testing.capture_logs() as lines:
        assert (await Catalogue(chain, None).resolve("minilm")).id == model.id
        await Catalogue(chain, None).resolve("0x" + model.id.hex())
    assert [(line["event"], line["others"]) for line in lines] == [("model_name_shared", 1)]
