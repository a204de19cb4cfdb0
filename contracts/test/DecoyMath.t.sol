// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot} from "../src/interfaces/IBallotBox.sol";
import {RoundKind, Verdict} from "../src/interfaces/Types.sol";
import {DecoyMath} from "../src/libraries/DecoyMath.sol";
import {Tally} from "../src/libraries/Tally.sol";
import {Test} from "./utils/Test.sol";

/// @title What judges earn that do not run the model, over many rounds of the real tally
contract DecoyMathTest is Test {
    enum Strategy {
        Honest,
        Accept,
        Grey,
        Reject,
        Plurality,
        Coin
    }

    uint256 private constant ROUNDS = 2_000;
    uint256 private constant JUDGES = 5;
    int256 private constant FEE = 100;
    /// @dev For a careless vote, as Decoys takes it.
    int256 private constant FINE = 5 * FEE;

    /// @dev Bit i: candidate i is a decoy, by a secret of its author and a seed of the round.
    function _decoys(uint256 round) private pure returns (uint256 mask) {
        for (uint256 i; i < DecoyMath.CANDIDATES; ++i) {
            bytes32 secret = keccak256(abi.encode("secret", round, i));
            if (DecoyMath.isDecoy(secret, keccak256(abi.encode("seed", round)))) mask |= 1 << i;
        }
    }

    /// @dev Decoys all show the same wrong result, so the most may be wrong.
    function _votes(Strategy strategy, uint256 decoys, uint256 round, uint256 judge)
        private
        pure
        returns (uint256 votes)
    {
        uint256 count = (decoys & 1) + (decoys >> 1 & 1) + (decoys >> 2 & 1);
        for (uint256 i; i < DecoyMath.CANDIDATES; ++i) {
            bool decoy = decoys >> i & 1 == 1;
            uint256 vote;
            if (strategy == Strategy.Honest) {
                vote = decoy ? DecoyMath.REJECT : DecoyMath.ACCEPT;
            } else if (strategy == Strategy.Accept) {
                vote = DecoyMath.ACCEPT;
            } else if (strategy == Strategy.Reject) {
                vote = DecoyMath.REJECT;
            } else if (strategy == Strategy.Plurality) {
                vote = (count >= 2) == decoy ? DecoyMath.ACCEPT : DecoyMath.REJECT;
            } else if (strategy == Strategy.Coin) {
                vote = DecoyMath.ACCEPT + uint256(keccak256(abi.encode(round, judge, i))) % 2;
            }
            votes |= vote << (2 * i);
        }
    }

    /// @dev What judge 0 earns in a round in which `lazy` judges follow the strategy and the rest run the model.
    function _earned(Strategy strategy, uint256 lazy, uint256 round) private pure returns (int256 earned) {
        uint256 decoys = _decoys(round);
        Ballot memory ballot;
        (ballot.kind, ballot.judges, ballot.candidates) = (RoundKind.Vote, true, 7);
        ballot.revealed = uint16((1 << JUDGES) - 1);
        (ballot.weights, ballot.others) = (new uint256[](JUDGES), new bytes32[](JUDGES));
        ballot.digests = new bytes32[](DecoyMath.CANDIDATES);
        for (uint256 i; i < DecoyMath.CANDIDATES; ++i) {
            ballot.digests[i] = bytes32(decoys >> i & 1);
        }
        for (uint256 i; i < JUDGES; ++i) {
            ballot.weights[i] = 100 + uint256(keccak256(abi.encode("weight", round, i))) % 1_000;
            ballot.others[i] = bytes32(_votes(i < lazy ? strategy : Strategy.Honest, decoys, round, i));
        }
        Verdict memory verdict;
        Tally.verdict(ballot, verdict);
        earned = FEE;
        for (uint256 i; i < DecoyMath.CANDIDATES; ++i) {
            uint256 vote = uint256(ballot.others[0]) >> (2 * i) & 3;
            if (DecoyMath.isCareless(vote, decoys >> i & 1 == 1, verdict.accepted >> i & 1 == 1)) earned -= FINE;
        }
    }

    function _perRound(Strategy strategy, uint256 lazy) private pure returns (int256 sum) {
        for (uint256 round; round < ROUNDS; ++round) {
            sum += _earned(strategy, lazy, round);
        }
        sum /= int256(ROUNDS);
    }

    /// @dev Lots as Python draws them: an author must know before it is asked whether it is a decoy.
    function test_LotsAreThoseOfTheAuthorsOwnTools() public pure {
        uint256 lots = 0xc2d7;
        for (uint256 i; i < 16; ++i) {
            bytes32 secret = keccak256(abi.encodePacked("secret", uint8(i)));
            assertEq(DecoyMath.isDecoy(secret, keccak256(abi.encodePacked("seed", uint8(i)))), lots >> i & 1 == 1);
        }
    }

    function test_WhoeverRunsTheModelKeepsItsWholeFee() public pure {
        assertEq(_perRound(Strategy.Honest, 1), FEE);
    }

    /// @dev One and a half careless votes a round at five fees each, against one fee: six and a half are lost.
    function _loses(Strategy strategy) private pure {
        int256 mean = _perRound(strategy, 1);
        assertTrue(mean < 0, "pays");
        assertApproxEqAbs(uint256(FEE - mean), uint256(FINE) * 3 / 2, 30);
    }

    function test_AlwaysAcceptLoses() public pure {
        _loses(Strategy.Accept);
    }

    function test_AlwaysGreyLoses() public pure {
        _loses(Strategy.Grey);
    }

    function test_AlwaysRejectLoses() public pure {
        _loses(Strategy.Reject);
    }

    function test_FollowingTheMostLoses() public pure {
        _loses(Strategy.Plurality);
    }

    function test_ACoinLoses() public pure {
        _loses(Strategy.Coin);
    }

    /// @dev The limit: judges that are lazy alike and hold the verdict by themselves fine nobody. That takes 70 % of the
    /// weight of a panel, with which one could have anything found.
    function test_LazyJudgesThatHoldTheVerdictAreOutOfReach() public pure {
        assertEq(_perRound(Strategy.Accept, JUDGES), FEE);
        assertTrue(_perRound(Strategy.Accept, 2) < 0, "two of five");
        assertTrue(_perRound(Strategy.Plurality, 2) < 0, "two of five");
    }

    function test_HalfOfTheCandidatesAreDecoys() public pure {
        uint256 count;
        for (uint256 round; round < ROUNDS; ++round) {
            uint256 mask = _decoys(round);
            count += (mask & 1) + (mask >> 1 & 1) + (mask >> 2 & 1);
        }
        assertApproxEqAbs(count, 3 * ROUNDS / 2, 120);
    }

    function testFuzz_NobodyWhoRanTheModelIsEverFined(bool decoy, bool accepted) public pure {
        uint256 vote = decoy ? DecoyMath.REJECT : DecoyMath.ACCEPT;
        assertFalse(DecoyMath.isCareless(vote, decoy, accepted));
        if (!decoy) {
            assertFalse(
                DecoyMath.isCareless(DecoyMath.GREY, false, accepted), "an honest result may be near the border"
            );
            assertFalse(DecoyMath.isCareless(3, false, accepted));
        } else {
            assertEq(DecoyMath.isCareless(3, true, accepted), DecoyMath.isCareless(DecoyMath.GREY, true, accepted));
        }
    }

    function test_Authors() public pure {
        assertTrue(DecoyMath.isGoodAuthor(true, false, true));
        assertTrue(DecoyMath.isGoodAuthor(true, false, false));
        assertFalse(DecoyMath.isGoodAuthor(true, true, false), "brought what is right");
        assertTrue(DecoyMath.isGoodAuthor(false, true, false));
        assertTrue(DecoyMath.isGoodAuthor(false, false, false));
        assertFalse(DecoyMath.isGoodAuthor(false, false, true), "wrong and no decoy");
    }
}
