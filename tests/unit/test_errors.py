"""The error type crosses processes and reaches machines and people whole."""

from __future__ import annotations

import copy
import json
import pickle

from mlbridge.errors import MLBridgeError

ERROR = MLBridgeError("task.unknown", "No such task.", hint="Check the id.", exit_code=5, task="0x12")


def test_str_has_message_and_hint() -> None:
    assert str(ERROR) == "No such task. Check the id."
    assert str(MLBridgeError("a.b", "Only this.")) == "Only this."


def test_to_dict_is_json() -> None:
    assert json.loads(json.dumps(ERROR.to_dict())) == {
        "code": "task.unknown",
        "message": "No such task.",
        "hint": "Check the id.",
        "task": "0x12",
    }


def test_pickle_and_copy_keep_everything() -> None:
    for other in (pickle.loads(pickle.dumps(ERROR)), copy.copy(ERROR)):  # noqa: S301
        assert type(other) is MLBridgeError
        assert (other.to_dict(), other.exit_code, str(other)) == (ERROR.to_dict(), 5, str(ERROR))
