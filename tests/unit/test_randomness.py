"""Which randomness source may be deployed where."""

from __future__ import annotations

import pytest

from contracts.randomness import SAFE_SOURCES, Source, require_safe
from mlbridge.errors import MLBridgeError

SEQUENCED = {10, 11_155_420, 8_453, 84_532, 42_161, 421_614}
POLYGON = {137, 80_002}


def test_every_chain_has_a_safe_source() -> None:
    for chain_id, sources in SAFE_SOURCES.items():
        assert sources
        for source in sources:
            assert require_safe(chain_id, source.value) is source


@pytest.mark.parametrize("chain_id", sorted(SEQUENCED | POLYGON))
def test_randao_is_refused_where_there_is_none(chain_id: int) -> None:
    with pytest.raises(MLBridgeError) as caught:
        require_safe(chain_id, "PrevrandaoSource")
    error = caught.value
    assert error.code == "randomness.unsafe"
    assert error.exit_code == 2
    assert str(chain_id) in error.message
    assert "DrandSource" in error.hint
    assert error.context == {"chain_id": chain_id, "source": "PrevrandaoSource"}


def test_randao_is_safe_only_on_chains_with_many_proposers() -> None:
    assert {chain for chain, safe in SAFE_SOURCES.items() if Source.PREVRANDAO in safe} == {
        1,
        11_155_111,
        560_048,
        31_337,
    }


def test_a_chain_that_nobody_judged_is_refused() -> None:
    for source in Source:
        with pytest.raises(MLBridgeError) as caught:
            require_safe(56, source)
        assert caught.value.code == "randomness.unknown_chain"


@pytest.mark.parametrize("name", ["", "prevrandaosource", "ChainlinkSource"])
def test_a_source_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(MLBridgeError) as caught:
        require_safe(1, name)
    assert caught.value.code == "randomness.unknown_source"
    assert "PrevrandaoSource" in caught.value.hint
