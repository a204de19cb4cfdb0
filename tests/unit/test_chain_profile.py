"""Chains' files: those of this release are safe, and each unsafe choice is refused with a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts import network as network_module
from contracts.chain_profile import (
    SHIPPED,
    ChainProfile,
    find_profile,
    is_profile,
    load_profile,
    shipped_profiles,
)
from contracts.network import load_network
from contracts.randomness import SAFE_SOURCES, Source
from mlbridge.errors import MLBridgeError

NAMES = {
    "local": 31_337,
    "ethereum": 1,
    "sepolia": 11_155_111,
    "base": 8_453,
    "base-sepolia": 84_532,
    "polygon": 137,
    "amoy": 80_002,
    "arbitrum": 42_161,
    "arbitrum-sepolia": 421_614,
}
DEPLOYER = "0x" + "11" * 20
TIMELOCK = "0x" + "22" * 20
SEQUENCED = ("base", "base-sepolia", "arbitrum", "arbitrum-sepolia")


def shipped(name: str) -> ChainProfile:
    return load_profile(SHIPPED / f"{name}.yaml")


def changed(name: str, **changes: Any) -> ChainProfile:
    """A shipped profile with some fields changed; `lane__bond=1` reaches into deploy.lane."""
    data = shipped(name).model_dump()
    for path, value in changes.items():
        *outer, last = path.split("__")
        part = data
        for key in outer:
            part = part[key] if key in part else part["deploy"][key]
        part[last] = value
    return ChainProfile.model_validate(data)


def refusal(profile: ChainProfile) -> MLBridgeError:
    with pytest.raises(MLBridgeError) as caught:
        profile.check()
    assert caught.value.exit_code == 2
    assert caught.value.message.endswith(".")
    assert caught.value.hint
    return caught.value


def test_the_chains_of_this_release_are_there_and_safe() -> None:
    profiles = {profile.name: profile for profile in shipped_profiles()}
    assert {name: profile.chain_id for name, profile in profiles.items()} == NAMES
    for profile in profiles.values():
        profile.check()
        assert profile.governance().terms


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_figure_of_a_chain_names_its_source(name: str) -> None:
    lines = (SHIPPED / f"{name}.yaml").read_text().splitlines()
    for number, line in enumerate(lines):
        facts = {"chain_id", "rpc_url", "block_time", "blocks", "seconds", "exclusion_seconds"}
        facts |= {"block_limit", "tx_cap", "eip2537", "eip2935", "source"}
        field = line.strip().split(":")[0]
        if field not in facts or name == "local":
            continue
        above = lines[number - 1].strip().startswith("#")
        # the depth of finality is told by the line after it, or by the comment of confirmations
        assert "#" in line or above or field == "blocks", f"{name}.yaml: {line}"


@pytest.mark.parametrize("name", ["base", "base-sepolia", "arbitrum", "arbitrum-sepolia", "polygon", "amoy"])
def test_prevrandao_is_refused_where_it_can_be_steered(name: str) -> None:
    error = refusal(changed(name, lane__source="PrevrandaoSource", lane__source_delay=48))
    assert error.code == "randomness.unsafe"
    assert "DrandSource" in error.hint


def test_a_chain_that_nobody_judged_is_refused() -> None:
    assert refusal(changed("ethereum", chain_id=56)).code == "randomness.unknown_chain"


@pytest.mark.parametrize(
    ("name", "changes", "word"),
    [
        ("ethereum", {"confirmations": 63}, "63 confirmations are fewer than the 64 blocks"),
        ("ethereum", {"confirmations": 1, "finality__blocks": 1}, "less than chain 1 needs: 64"),
        ("base", {"confirmations": 0, "finality__blocks": 0}, "less than chain 8453 needs"),
        ("ethereum", {"gas__tx_cap": 5_000_000}, "but a transaction of ethereum holds 5,000,000"),
        ("ethereum", {"gas__block_limit": 5_000_000}, "but a block of ethereum holds 5,000,000"),
        ("ethereum", {"parameters__commit_window": 119}, "parameters.commit_window of 119 s"),
        ("ethereum", {"parameters__reveal_window": 887}, "parameters.reveal_window of 887 s"),
        ("base", {"parameters__min_task_time": 120}, "A task may end after 120 s"),
        (
            "ethereum",
            {"lane__epoch_seconds": 119, "lane__order_epochs": 12},
            "lane.epoch_seconds of 119 s",
        ),
        (
            "ethereum",
            {"lane__settle_window": 1_019, "lane__summons_commit": 50},
            "lane.settle_window of 1019 s",
        ),
        ("ethereum", {"lane__settle_window": 1_199}, "an order may settle for only 1199 s"),
        ("base", {"lane__order_epochs": 2}, "A summons and the settlement after it take 480 s"),
        ("ethereum", {"lane__summons_commit": 119}, "lane.summons_commit of 119 s"),
        ("ethereum", {"lane__summons_reveal": 887}, "lane.summons_reveal of 887 s"),
        ("base", {"lane__challenge_window": 43_200}, "lane.challenge_window of 43200 s"),
        ("arbitrum", {"lane__challenge_window": 86_400}, "lane.challenge_window of 86400 s"),
        ("arbitrum", {"lane__answer_window": 3_600}, "lane.answer_window of 3600 s"),
        ("arbitrum", {"reviews__game_window": 3_600}, "reviews.game_window of 3600 s"),
        ("base", {"reviews__decoy_window": 3_600}, "reviews.decoy_window of 3600 s"),
        ("ethereum", {"reviews__escrow_window": 777_600}, "a vote for its veto takes 777600 s"),
        ("base", {"lane__protocol_share": 499}, "protocol share of 499 basis points is below"),
        ("ethereum", {"rates__rebate_fee": 501}, "below the reward pool's rebate of 501"),
        ("base", {"lane__closing_delay": 14_399}, "closes after 14399 s, less than twice the 7200 s"),
        ("base", {"lane__attester_max_age": 4_032}, "Attester sets count for 4032 epochs"),
        ("base", {"eip2537": False}, "DrandSource needs the BLS12-381 precompiles"),
        (
            "ethereum",
            {"eip2537": False, "lane__attesters": "BlsAttestations"},
            "BlsAttestations needs the BLS12-381 precompiles",
        ),
        ("ethereum", {"eip2935": False}, "forgets block hashes after 3072 s"),
        ("ethereum", {"lane__source_window": 98_293}, "forgets block hashes after 98292 s"),
        ("ethereum", {"lane__source_delay": 47}, "47 s after its epoch begins"),
        ("base", {"lane__source_delay": 29}, "29 s after its epoch begins"),
    ],
)
def test_an_unsafe_choice_is_refused_in_one_sentence(name: str, changes: dict[str, Any], word: str) -> None:
    error = refusal(changed(name, **changes))
    assert error.code == "deploy.unsafe"
    assert word in error.message
    assert error.message.count(". ") == 0, "one sentence"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ethereum", {"parameters__commit_window": 120}),
        ("ethereum", {"parameters__reveal_window": 888}),
        ("ethereum", {"lane__settle_window": 1_200}),
        ("ethereum", {"lane__summons_commit": 120}),
        ("ethereum", {"lane__summons_reveal": 888}),
        ("ethereum", {"lane__source_window": 98_292}),
        ("ethereum", {"eip2935": False, "lane__source_window": 3_072}),
        ("ethereum", {"lane__source": "DrandSource", "lane__source_delay": 30}),
        ("base", {"lane__closing_delay": 14_400}),
        ("base", {"lane__attester_max_age": 4_031}),
        ("arbitrum", {"lane__answer_window": 88_203}),
    ],
)
def test_the_last_safe_choice_is_taken(name: str, changes: dict[str, Any]) -> None:
    changed(name, **changes).check()


def test_a_window_outlasts_whoever_can_keep_a_transaction_out() -> None:
    for name in SEQUENCED:
        profile = shipped(name)
        lane = profile.params().lane
        assert lane is not None
        assert lane.challenge_window > profile.exclusion_seconds + profile.finality.seconds
        assert lane.answer_window > profile.exclusion_seconds + profile.finality.seconds


def test_every_profile_takes_a_source_that_its_chain_makes_safe() -> None:
    for profile in shipped_profiles():
        lane = profile.params().lane
        assert lane is not None
        assert Source(lane.source) in SAFE_SOURCES[profile.chain_id]


def test_chains_of_drand_name_relays_and_the_others_none() -> None:
    for profile in shipped_profiles():
        lane = profile.params().lane
        assert lane is not None
        if lane.source == Source.DRAND:
            assert len(set(profile.drand_relays)) >= 2
        else:
            assert not profile.drand_relays


@pytest.mark.parametrize(
    ("part", "value", "word"),
    [
        ("lane", {"bond_": 1}, "bond_ takes nothing"),
        ("lane", {"bond": "much"}, "bond takes int"),
        ("lane", {"source": "Dice"}, "no source Dice"),
        ("parameters", {"commit": 1}, "commit takes nothing"),
        ("core", {"admin_": 1}, "admin_ takes nothing"),
        ("owners", {"judge_fee": "x"}, "judge_fee takes int"),
        ("governance", {"guardian": 1}, "guardian takes str"),
    ],
)
def test_a_choice_that_does_not_exist_is_named(part: str, value: dict[str, Any], word: str) -> None:
    profile = changed("base", **{f"deploy__{part}": value})
    with pytest.raises(MLBridgeError) as caught:
        profile.governance() if part == "governance" else profile.check()
    assert caught.value.code == "profile.invalid"
    assert word in caught.value.message


def test_broken_files_name_the_field(tmp_path: Path) -> None:
    data = yaml.safe_load((SHIPPED / "base.yaml").read_text())
    for text, word in (
        (yaml.safe_dump(data | {"block_time": 0}), "block_time"),
        (yaml.safe_dump(data | {"colour": "blue"}), "colour"),
        ("finality: [", "cannot be read"),
    ):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(MLBridgeError) as caught:
            load_profile(tmp_path / "x.yaml")
        assert caught.value.code == "profile.invalid"
        assert word in caught.value.message


def test_owners_are_those_of_the_file() -> None:
    owner = "0x00000000000000000000000000000000000000AA"
    profile = changed("base", deploy__owners={"team": owner, "treasury": "timelock", "liquidity": owner})
    params = profile.params().with_owners(DEPLOYER, TIMELOCK)
    assert (params.admin, params.team, params.treasury) == (DEPLOYER, owner, TIMELOCK)
    assert (params.ecosystem, params.liquidity, params.reserve_fund) == (TIMELOCK, owner, TIMELOCK)


@pytest.mark.parametrize(
    ("owners", "word"),
    [
        ({"treasury": "timelock"}, "nobody could ever propose"),
        ({"treasury": "timelock", "team": DEPLOYER}, "nobody could ever propose"),
        ({"admin": "timelock"}, "cannot administer"),
    ],
)
def test_owners_that_would_lock_everybody_out_are_refused(owners: dict[str, str], word: str) -> None:
    params = changed("base", deploy__owners=owners).params()
    with pytest.raises(MLBridgeError) as caught:
        params.with_owners(DEPLOYER, TIMELOCK)
    assert caught.value.code == "deploy.unsafe"
    assert word in caught.value.message


def test_a_chain_is_found_although_a_deployment_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "base.json").write_text("{}")
    found = find_profile("base")
    assert found == SHIPPED / "base.yaml"
    assert find_profile(SHIPPED / "base.yaml") == found
    assert find_profile("devnet") is None
    assert not is_profile(tmp_path / "none.yaml")


def test_a_chain_is_no_network_to_work_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(network_module.HOME_ENV, str(tmp_path))
    with pytest.raises(MLBridgeError) as caught:
        load_network("polygon")
    assert caught.value.code == "network.not_deployed"
    assert "mlbridge deploy --network polygon" in caught.value.hint
