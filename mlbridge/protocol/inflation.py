"""How much MLB may have been issued by a moment, with the integers of contracts/src/libraries/Inflation.sol.

contracts/test/vectors/inflation.json holds both to the same examples.
"""

from __future__ import annotations

from typing import Final

GENESIS_SUPPLY: Final = 1_000_000_000 * 10**18
RATE: Final = 300
LATE_RATE: Final = 50
EARLY_YEARS: Final = 10
EPOCH: Final = 300
EPOCHS_A_YEAR: Final = 365 * 86_400 // EPOCH
_BASIS: Final = 10_000


def in_year(nominal: int, year: int) -> int:
    """MLB (18 decimals) issued over a whole year, counted from 0, that begins with this nominal supply."""
    return nominal * (RATE if year < EARLY_YEARS else LATE_RATE) // _BASIS


def issuable(elapsed: int) -> int:
    """MLB (18 decimals) beyond the genesis supply that may have been issued `elapsed` seconds after genesis.

    Rounded down; a year's amount is reached in full at its end.
    """
    epochs = elapsed // EPOCH
    year, into = divmod(epochs, EPOCHS_A_YEAR)
    nominal = GENESIS_SUPPLY
    for past in range(year):
        nominal += in_year(nominal, past)
    return nominal - GENESIS_SUPPLY + in_year(nominal, year) * into // EPOCHS_A_YEAR
