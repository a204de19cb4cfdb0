"""A person is told what an appeal costs and may lose before it is asked."""

from __future__ import annotations

import io

import pytest
import typer

from contracts.appeals import Price
from contracts.slashes import CaseStatus, HeldSlash, SlashCase
from mlbridge.cli.appeals import _ask
from mlbridge.cli.slashes import next_step
from mlbridge.errors import MLBridgeError
from mlbridge.protocol.types import Fault

MLB = 10**18
PRICE = Price(seats=7, bond=1_400 * MLB, fees=700 * MLB, reserve=10_000 * MLB)
NOBODY = "0x" + "00" * 20


class Terminal(io.StringIO):
    """A person's keyboard."""

    def isatty(self) -> bool:
        return True


def slash(fault: Fault = Fault.INCORRECT, *, appealable: bool = True) -> HeldSlash:
    case = SlashCase(bytes(32), 2, 1, fault, 5_000, 25_000 * MLB, 0, 2_500, 1_250, False, 0, 900, 800, NOBODY)
    return HeldSlash(case, NOBODY, CaseStatus.HELD, 1_000, None, appealable, 1)


def test_who_says_yes_agrees_to_the_bond_that_was_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert _ask(slash(), PRICE, as_json=False) == PRICE.bond
    told = " ".join(capsys.readouterr().err.split())
    assert "The bond is 1,400 MLB, for a panel of 7; the slash took 25,000 MLB." in told


def test_who_says_no_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(typer.Abort):
        _ask(slash(), PRICE, as_json=False)


@pytest.mark.parametrize(("keyboard", "as_json"), [(io.StringIO("y\n"), False), (Terminal("y\n"), True)])
def test_a_machine_is_not_asked_but_told(
    monkeypatch: pytest.MonkeyPatch, keyboard: io.StringIO, as_json: bool
) -> None:
    monkeypatch.setattr("sys.stdin", keyboard)
    with pytest.raises(MLBridgeError) as refused:
        _ask(slash(), PRICE, as_json=as_json)
    assert refused.value.hint == "Agree to it: --max-bond 1400"


@pytest.mark.parametrize(
    ("held", "now", "said"),
    [
        (slash(), 1_000, "The operator may appeal until then: mlbridge appeal open 0x"),
        (slash(Fault.UNOPENED, appealable=False), 1_000, "Governance may undo it until then"),
        # Of a seat that was not drawn, which is a fact.
        (slash(appealable=False), 1_000, "Governance may undo it until then"),
        (slash(), 1_001, "mlbridge slash finalise 0x"),
    ],
)
def test_the_way_out_is_named_as_long_as_there_is_one(held: HeldSlash, now: int, said: str) -> None:
    told = next_step(held, None, now)
    assert said in told
    assert ("appeal" in told) == ("appeal" in said)
