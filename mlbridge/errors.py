"""The one error type that the command, the SDK and every service show to people."""

from __future__ import annotations


class MLBridgeError(Exception):
    """What went wrong, in one sentence, and the way out.

    code: stable dotted name (`task.unknown`); message: one sentence; hint: what to do next;
    exit_code: 1 failure, 2 usage, 3 auth, 4 payment, 5 not found, 6 timeout; context: facts for machines.
    """

    def __init__(
        self, code: str, message: str, *, hint: str = "", exit_code: int = 1, **context: object
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.context = context

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.code, self.message, self.hint, self.exit_code, self.context)

    def to_dict(self) -> dict[str, object]:
        """JSON-ready form: code, message, hint and context."""
        return {"code": self.code, "message": self.message, "hint": self.hint, **self.context}


def _rebuild(code: str, message: str, hint: str, exit_code: int, context: dict[str, object]) -> MLBridgeError:
    return MLBridgeError(code, message, hint=hint, exit_code=exit_code, **context)
