// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Ballot} from "../src/interfaces/IBallotBox.sol";
import {RoundKind, Verdict} from "../src/interfaces/Types.sol";
import {Tally} from "../src/libraries/Tally.sol";
import {ShadowTally} from "./invariant/ShadowTally.sol";
import {Test} from "./utils/Test.sol";

/// @title The verdict rule: examples made in Python, a second tally written another way, and its edges
contract TallyTest is Test {
    uint256 private constant SILENT_VOTE = 1 << 32;

    /// @dev Whoever counts goes on with the weights as they were.
    function testFuzz_ClippingLeavesTheWeightsAlone(uint32[7] memory heavy) public pure {
        uint256[] memory weights = new uint256[](heavy.length);
        for (uint256 i; i < heavy.length; ++i) {
            weights[i] = i == 0 ? uint256(heavy[0]) << 8 : heavy[i];
        }
        Tally.clip(weights);
        for (uint256 i; i < heavy.length; ++i) {
            assertEq(weights[i], i == 0 ? uint256(heavy[0]) << 8 : heavy[i]);
        }
    }

    // ---- examples ----

    function testVectorsOfClip() public view {
        string memory json = vm.readFile("test/vectors/tally.json");
        for (uint256 i; i < vm.parseJsonUint(json, ".clipCount"); ++i) {
            string memory at = string.concat(".clip[", vm.toString(i), "]");
            uint256[] memory wanted = vm.parseJsonUintArray(json, string.concat(at, ".clipped"));
            (uint256[] memory clipped, uint256 total) =
                Tally.clip(vm.parseJsonUintArray(json, string.concat(at, ".weights")));
            assertEq(clipped.length, wanted.length);
            for (uint256 j; j < wanted.length; ++j) {
                assertEq(clipped[j], wanted[j], at);
                total -= wanted[j];
            }
            assertEq(total, 0, "total");
        }
    }

    function testVectorsOfResults() public view {
        string memory json = vm.readFile("test/vectors/tally.json");
        for (uint256 i; i < vm.parseJsonUint(json, ".resultCount"); ++i) {
            string memory at = string.concat(".result[", vm.toString(i), "]");
            uint256[] memory values = vm.parseJsonUintArray(json, string.concat(at, ".values"));
            uint256 revealed;
            for (uint256 j; j < values.length; ++j) {
                if (values[j] != 0) revealed |= 1 << j;
            }
            Ballot memory ballot =
                _ballot(vm.parseJsonUintArray(json, string.concat(at, ".weights")), values, revealed, i);
            _compare(json, at, _verdict(ballot));
        }
    }

    function testVectorsOfVotes() public view {
        string memory json = vm.readFile("test/vectors/tally.json");
        for (uint256 i; i < vm.parseJsonUint(json, ".voteCount"); ++i) {
            string memory at = string.concat(".vote[", vm.toString(i), "]");
            uint256[] memory votes = vm.parseJsonUintArray(json, string.concat(at, ".votes"));
            uint256 revealed;
            for (uint256 j; j < votes.length; ++j) {
                if (votes[j] != SILENT_VOTE) revealed |= 1 << j;
            }
            Ballot memory ballot =
                _ballot(vm.parseJsonUintArray(json, string.concat(at, ".weights")), votes, revealed, i);
            ballot.kind = RoundKind.Vote;
            ballot.judges = vm.parseJsonUint(json, string.concat(at, ".judges")) == 1;
            ballot.candidates = uint16(vm.parseJsonUint(json, string.concat(at, ".candidates")));
            ballot.digests = new bytes32[](15);
            for (uint256 j; j < 15; ++j) {
                ballot.digests[j] = bytes32(j + 1);
            }
            Verdict memory found = _verdict(ballot);
            _compare(json, at, found);
            assertEq(found.accepted, vm.parseJsonUint(json, string.concat(at, ".accepted")), at);
            assertEq(found.rejected, vm.parseJsonUint(json, string.concat(at, ".rejected")), at);
        }
    }

    // ---- edges ----

    function testThreeSeatsNeedThreeOfThree() public pure {
        assertTrue(_passes([uint256(9), 9, 9], [uint256(1), 1, 1]), "unanimous");
        assertFalse(_passes([uint256(9), 9, 9], [uint256(1), 1, 0]), "one silent");
        assertFalse(_passes([uint256(1e9), 1e9, 1], [uint256(1), 1, 2]), "weight does not replace a head");
    }

    function testSeventyPercentIsEnough() public pure {
        uint256[] memory weights = new uint256[](10);
        uint256[] memory values = new uint256[](10);
        for (uint256 i; i < 10; ++i) {
            (weights[i], values[i]) = (100, i < 7 ? 1 : 2);
        }
        Verdict memory found = _results(weights, values);
        assertTrue(found.passed, "exactly 70 %");
        assertEq(found.confidence, 7_000);
        weights[0] = 99;
        found = _results(weights, values);
        assertFalse(found.passed, "a little less");
        assertEq(found.confidence, 6_996);
    }

    function testTwoThirdsOfTheSeatsAreNeeded() public pure {
        // Three of five with 90 % of the clipped weight at most: too few heads.
        uint256[] memory weights = new uint256[](5);
        uint256[] memory values = new uint256[](5);
        for (uint256 i; i < 5; ++i) {
            (weights[i], values[i]) = (i < 3 ? 1_000 : 200, i < 3 ? 1 : 0);
        }
        Verdict memory found = _results(weights, values);
        assertGt(found.confidence, 7_000);
        assertFalse(found.passed);
        values[3] = 1;
        assertTrue(_results(weights, values).passed);
    }

    function testAWhaleAmongFourWeighsThirtyPercent() public pure {
        uint256[] memory weights = new uint256[](4);
        uint256[] memory values = new uint256[](4);
        (weights[0], weights[1], weights[2], weights[3]) = (1e12, 1, 1, 1);
        (values[0], values[1], values[2], values[3]) = (2, 1, 1, 1);
        Verdict memory found = _results(weights, values);
        assertTrue(found.passed, "three small seats hold exactly 70 % against one whale");
        assertEq(found.winner, bytes32(uint256(1)));
    }

    function testTiesGoToTheSeatDrawnFirst() public pure {
        uint256[] memory weights = new uint256[](3);
        uint256[] memory values = new uint256[](3);
        (weights[0], weights[1], weights[2]) = (2, 1, 1);
        (values[0], values[1], values[2]) = (5, 6, 6);
        Ballot memory ballot = _ballot(weights, values, 7, 1);
        // The seats that opened first need not be those that were drawn first.
        assertEq(ballot.agreeing, 6);
        Verdict memory found = _verdict(ballot);
        assertEq(found.confidence, 5_000);
        assertTrue(found.dissent);
        assertEq(found.winner, bytes32(0));
    }

    function testNobodyRevealedIsNoVerdict() public pure {
        uint256[] memory weights = new uint256[](3);
        (weights[0], weights[1], weights[2]) = (2, 1, 1);
        Verdict memory found = _results(weights, new uint256[](3));
        assertFalse(found.passed || found.dissent);
        assertEq(found.confidence, 0);
    }

    // ---- against the second tally ----

    function testResultsFuzzAgainstSecondTally(uint256 seed) public pure {
        uint256 count = 3 + seed % 13;
        uint256[] memory weights = new uint256[](count);
        uint64[] memory narrow = new uint64[](count);
        uint256[] memory values = new uint256[](count);
        uint256 revealed;
        for (uint256 i; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            weights[i] = 1 + (seed >> 8) % (1 << (1 + (seed >> 128) % 47));
            narrow[i] = uint64(weights[i]);
            values[i] = seed % 9 < 7 ? 1 : seed % 9 - 6;
            if (seed >> 200 & 7 != 0) revealed |= 1 << i;
        }
        Verdict memory found = _verdict(_ballot(weights, values, revealed, seed));
        bool anybody;
        uint256 kinds;
        for (uint256 value = 1; value < 4; ++value) {
            bool[] memory holds = new bool[](count);
            bool held;
            for (uint256 i; i < count; ++i) {
                holds[i] = revealed >> i & 1 == 1 && values[i] == value;
                held = held || holds[i];
            }
            if (held) ++kinds;
            bool passes = ShadowTally.passes(narrow, holds);
            if (!passes) continue;
            anybody = true;
            assertEq(found.winner, bytes32(value));
        }
        assertEq(found.passed, anybody);
        assertEq(found.dissent, kinds > 1);
    }

    function testClipFuzzLeavesNobodyAboveThirtyPercent(uint256 seed) public pure {
        uint256 count = 4 + seed % 12;
        uint256[] memory weights = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            weights[i] = 1 + (seed >> 8) % (1 << (1 + (seed >> 128) % 47));
        }
        (uint256[] memory clipped, uint256 total) = Tally.clip(weights);
        uint256 sum;
        for (uint256 i; i < count; ++i) {
            assertLe(10 * clipped[i], 3 * total, "above 30 %");
            sum += clipped[i];
            for (uint256 j; j < i; ++j) {
                // Who weighed more weighs no less, and the light ones keep their proportions.
                if (weights[i] >= weights[j]) assertGe(clipped[i], clipped[j]);
                if (10 * clipped[i] < 3 * total && 10 * clipped[j] < 3 * total) {
                    assertEq(clipped[i] * weights[j], clipped[j] * weights[i], "proportions");
                }
            }
        }
        assertEq(sum, total);
    }

    // ---- helpers ----

    function _passes(uint256[3] memory weights, uint256[3] memory values) private pure returns (bool) {
        uint256[] memory w = new uint256[](3);
        uint256[] memory v = new uint256[](3);
        for (uint256 i; i < 3; ++i) {
            (w[i], v[i]) = (weights[i], values[i]);
        }
        return _results(w, v).passed;
    }

    function _results(uint256[] memory weights, uint256[] memory values) private pure returns (Verdict memory) {
        uint256 revealed;
        for (uint256 i; i < values.length; ++i) {
            if (values[i] != 0) revealed |= 1 << i;
        }
        return _verdict(_ballot(weights, values, revealed, 0));
    }

    function _verdict(Ballot memory ballot) private pure returns (Verdict memory found) {
        Tally.verdict(ballot, found);
    }

    /// @param lead any number: which of the revealed seats opened first
    function _ballot(uint256[] memory weights, uint256[] memory values, uint256 revealed, uint256 lead)
        private
        pure
        returns (Ballot memory ballot)
    {
        ballot.weights = weights;
        ballot.revealed = uint16(revealed);
        ballot.others = new bytes32[](values.length);
        if (revealed == 0) return ballot;
        lead %= values.length;
        while (revealed >> lead & 1 == 0) {
            lead = (lead + 1) % values.length;
        }
        ballot.leading = bytes32(values[lead]);
        for (uint256 i; i < values.length; ++i) {
            if (revealed >> i & 1 == 0) continue;
            if (values[i] == values[lead]) ballot.agreeing |= uint16(1 << i);
            else ballot.others[i] = bytes32(values[i]);
        }
    }

    function _compare(string memory json, string memory at, Verdict memory found) private pure {
        assertEq(found.passed ? 1 : 0, vm.parseJsonUint(json, string.concat(at, ".passed")), at);
        assertEq(found.dissent ? 1 : 0, vm.parseJsonUint(json, string.concat(at, ".dissent")), at);
        assertEq(found.winner, bytes32(vm.parseJsonUint(json, string.concat(at, ".winner"))), at);
        assertEq(found.confidence, vm.parseJsonUint(json, string.concat(at, ".confidence")), at);
    }
}
