"""A draft is everything that a task's id is made of, and survives being written down."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlbridge.errors import MLBridgeError
from mlbridge.sdk import Draft

DRAFT = Draft(
    chain_id=31337, task_manager="0x" + "11" * 20, requester="0x" + "22" * 20, model_id=b"m" * 32,
    data=b"\0input", deadline=2**31, price=2**80, seats=3, salt=b"s" * 32, block=7,
)  # fmt: skip


def test_a_draft_written_down_is_the_same_draft() -> None:
    again = Draft.from_dict(json.loads(json.dumps(DRAFT.to_dict())))
    assert again == DRAFT
    assert again.id == DRAFT.id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", 1), ("task_manager", "0x" + "33" * 20), ("requester", "0x" + "33" * 20),
        ("model_id", b"n" * 32), ("data", b"\0other"), ("deadline", 5), ("price", 5), ("seats", 4),
        ("salt", b"t" * 32),
    ],
)  # fmt: skip
def test_whatever_a_task_is_made_of_changes_its_id(field: str, value: object) -> None:
    assert replace(DRAFT, **{field: value}).id != DRAFT.id  # type: ignore[arg-type]


def test_where_one_looks_for_a_task_does_not_change_it() -> None:
    assert replace(DRAFT, block=99).id == DRAFT.id


@pytest.mark.parametrize("broken", [{}, {"salt": "0xzz"}, {"data": 5}])
def test_a_damaged_draft_is_refused(broken: dict[str, object]) -> None:
    values = {name: value for name, value in DRAFT.to_dict().items() if broken or name != "salt"}
    with pytest.raises(MLBridgeError) as damaged:
        Draft.from_dict(values | broken)
    assert damaged.value.code == "draft.invalid"
