"""What each custom error means and what to do about it, by family of contracts.

Each entry: (one sentence, hint). Braces name the error's arguments; after a colon stands how to show the
value (see contracts.errors): mlb, wei, time, status, role, category, state, id.
tests/unit/test_errors_words.py keeps it complete.
"""

from __future__ import annotations

from typing import Final

from contracts.error_words import channels, core, governance, reviews

WORDS: Final[dict[str, tuple[str, str]]] = {
    **core.WORDS,
    **governance.WORDS,
    **channels.WORDS,
    **reviews.WORDS,
}

PANICS: Final[dict[int, str]] = {
    0x00: "generic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "a number that is no value of its enum",
    0x22: "damaged storage",
    0x31: "pop of an empty array",
    0x32: "array index out of bounds",
    0x41: "too much memory",
    0x51: "call of an uninitialised function",
}
