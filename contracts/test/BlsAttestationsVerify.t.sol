// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BlsAttestations} from "../src/BlsAttestations.sol";
import {IBlsAttestations} from "../src/interfaces/IBlsAttestations.sol";
import {BLS} from "../src/libraries/BLS.sol";
import {AttestersTest} from "./utils/AttestersTest.sol";

/// @title What evidence proves, and what it does not
contract BlsAttestationsVerifyTest is AttestersTest {
    uint256 private constant SIZE = 24;
    uint256 private constant ALL = (1 << SIZE) - 1;

    uint256 private epoch;

    function setUp() public {
        deploy();
        joinMany(SIZE);
        epoch = nextEpoch();
    }

    function _expect(bytes memory data) private {
        vm.expectRevert(data);
    }

    function _weightOf(uint256 signers) private pure returns (uint256 weight, uint256 count) {
        for (uint256 i; i < 256; ++i) {
            if (signers >> i & 1 == 0) continue;
            weight += weightAt(i + 1);
            ++count;
        }
    }

    /// @dev A precompile that refuses its input takes all the gas it was given.
    function _refused(bytes memory evidence) private view returns (bool) {
        (bool ok,) = address(attestations).staticcall{gas: 2_000_000}(
            abi.encodeCall(attestations.verify, (DIGEST, epoch, evidence))
        );
        return !ok;
    }

    // ---- what holds ----

    /// forge-config: default.fuzz.runs = 48
    function testFuzz_WeightAndNumberAreThoseOfTheSigners(uint256 signers) public view {
        signers = bound(signers, 1, ALL);
        (uint256 weight, uint256 count) = attestations.verify(DIGEST, epoch, evidenceOf(signers, DIGEST, epoch));
        (uint256 expectedWeight, uint256 expectedCount) = _weightOf(signers);
        assertEq(weight, expectedWeight);
        assertEq(count, expectedCount);
    }

    function test_EverybodySigned() public view {
        (uint256 weight, uint256 count) = attestations.verify(DIGEST, epoch, evidenceOf(ALL, DIGEST, epoch));
        (uint256 total, uint256 members) = attestations.totalsAt(epoch);
        assertEq(weight, total);
        assertEq(count, members);
        assertEq(count, SIZE);
    }

    // ---- what a liar tries ----

    /// @dev A coordinator that claims more signers than it has.
    /// forge-config: default.fuzz.runs = 48
    function testFuzz_NobodyIsCountedWhoDidNotSign(uint256 signers, uint256 claimed) public {
        signers = bound(signers, 1, ALL);
        claimed = bound(claimed, 1, ALL);
        vm.assume(signers != claimed);
        IBlsAttestations.Group memory group = attestations.nextGroup();
        bytes memory evidence =
            encode(signatureOf(signers, DIGEST, epoch), group, claimed, absentOf(group.members, claimed));
        _expect(abi.encodeWithSelector(IBlsAttestations.AggregateMismatch.selector, DIGEST, epoch));
        attestations.verify(DIGEST, epoch, evidence);
    }

    function test_SignatureIsBoundToDigestEpochChainAndContract() public {
        bytes memory evidence = evidenceOf(ALL, DIGEST, epoch);
        _expect(abi.encodeWithSelector(IBlsAttestations.AggregateMismatch.selector, bytes32("other"), epoch));
        attestations.verify("other", epoch, evidence);
        nextEpoch();
        _expect(abi.encodeWithSelector(IBlsAttestations.AggregateMismatch.selector, DIGEST, epoch + 1));
        attestations.verify(DIGEST, epoch + 1, evidence);
        attestations.verify(DIGEST, epoch, evidence);
        vm.chainId(5);
        _expect(abi.encodeWithSelector(IBlsAttestations.AggregateMismatch.selector, DIGEST, epoch));
        attestations.verify(DIGEST, epoch, evidence);
        BlsAttestations other = new BlsAttestations(address(scales), address(clock), MAX_AGE);
        assertNotEq(
            keccak256(other.attestationMessage(DIGEST, epoch)),
            keccak256(attestations.attestationMessage(DIGEST, epoch))
        );
    }

    function test_GroupIsThatOfTheEpoch() public {
        IBlsAttestations.Group memory group = attestations.nextGroup();
        BLS.G1 memory signature = signatureOf(ALL, DIGEST, epoch);
        IBlsAttestations.Group[4] memory lies;
        for (uint256 i; i < 4; ++i) {
            lies[i] = IBlsAttestations.Group(group.key, group.weight, group.count, group.members);
        }
        // A key of one's own, more weight, more members, other places.
        lies[0].key = publicKey(secretOf(999));
        ++lies[1].weight;
        ++lies[2].count;
        lies[3].members = ALL << 1;
        for (uint256 i; i < 4; ++i) {
            bytes memory evidence = encode(signature, lies[i], lies[i].members, new Absentee[](0));
            _expect(abi.encodeWithSelector(IBlsAttestations.WrongGroup.selector, epoch));
            attestations.verify(DIGEST, epoch, evidence);
        }
        // Nobody attested in the first epoch.
        _expect(abi.encodeWithSelector(IBlsAttestations.WrongGroup.selector, 1));
        attestations.verify(DIGEST, 1, encode(signature, group, ALL, new Absentee[](0)));
    }

    function test_AbsenteesAreNamedOneByOneInTheirPlaces() public {
        IBlsAttestations.Group memory group = attestations.nextGroup();
        uint256 signers = ALL & ~uint256(0x104);
        BLS.G1 memory signature = signatureOf(signers, DIGEST, epoch);
        Absentee[] memory right = absentOf(ALL, signers);
        assertEq(right.length, 2);
        attestations.verify(DIGEST, epoch, encode(signature, group, signers, right));

        Absentee[] memory wrong = new Absentee[](2);
        (wrong[0], wrong[1]) = (right[1], right[0]);
        _expectFor(
            encode(signature, group, signers, wrong), abi.encodeWithSelector(IBlsAttestations.WrongMember.selector, 8)
        );
        (wrong[0], wrong[1]) = (right[0], right[0]);
        _expectFor(
            encode(signature, group, signers, wrong), abi.encodeWithSelector(IBlsAttestations.WrongMember.selector, 2)
        );
        // Less weight would leave more for the signers.
        wrong[1] = Absentee(right[1].account, right[1].weight - 1, right[1].secret);
        _expectFor(
            encode(signature, group, signers, wrong), abi.encodeWithSelector(IBlsAttestations.WrongMember.selector, 2)
        );
        wrong[1] = Absentee(right[1].account + 1, right[1].weight, right[1].secret);
        _expectFor(
            encode(signature, group, signers, wrong), abi.encodeWithSelector(IBlsAttestations.WrongMember.selector, 2)
        );
        wrong[1] = Absentee(right[1].account, right[1].weight, right[1].secret + 1);
        _expectFor(
            encode(signature, group, signers, wrong), abi.encodeWithSelector(IBlsAttestations.WrongMember.selector, 2)
        );

        wrong = new Absentee[](1);
        wrong[0] = right[0];
        _expectFor(
            encode(signature, group, signers, wrong),
            abi.encodeWithSelector(IBlsAttestations.WrongAbsentees.selector, 1, 2)
        );
        wrong = new Absentee[](3);
        (wrong[0], wrong[1], wrong[2]) = (right[0], right[1], right[1]);
        _expectFor(
            encode(signature, group, signers, wrong),
            abi.encodeWithSelector(IBlsAttestations.WrongAbsentees.selector, 3, 2)
        );
        _expectFor(
            encode(signature, group, signers, new Absentee[](0)),
            abi.encodeWithSelector(IBlsAttestations.WrongAbsentees.selector, 0, 2)
        );
    }

    function test_PlacesThatNobodyHoldsCannotSign() public {
        IBlsAttestations.Group memory group = attestations.nextGroup();
        bytes memory evidence =
            encode(signatureOf(ALL, DIGEST, epoch), group, ALL | 1 << 24 | 1 << 255, new Absentee[](0));
        _expect(abi.encodeWithSelector(IBlsAttestations.UnknownSigners.selector, 1 << 24 | 1 << 255));
        attestations.verify(DIGEST, epoch, evidence);
        evidence = encode(signatureOf(1, DIGEST, epoch), group, 0, absentOf(ALL, 0));
        _expect(abi.encodeWithSelector(IBlsAttestations.NoSigners.selector));
        attestations.verify(DIGEST, epoch, evidence);
    }

    /// @dev Two keys of one owner that cancel out: nobody's signature must not count as theirs.
    function test_KeysThatCancelOutSignNothing() public {
        uint256 secret = secretOf(100);
        _joinWith(100, secret);
        _joinWith(101, ORDER - secret);
        epoch = nextEpoch();
        uint256 signers = 3 << SIZE;
        IBlsAttestations.Group memory group = attestations.nextGroup();
        BLS.G1 memory nothing;
        bytes memory evidence = encode(nothing, group, signers, absentOf(ALL, 0));
        _expect(abi.encodeWithSelector(IBlsAttestations.NoSigners.selector));
        attestations.verify(DIGEST, epoch, evidence);

        // The same where they are the whole set, and nobody is absent.
        deploy();
        _joinWith(100, secret);
        _joinWith(101, ORDER - secret);
        epoch = nextEpoch();
        evidence = encode(nothing, attestations.nextGroup(), 3, new Absentee[](0));
        _expect(abi.encodeWithSelector(IBlsAttestations.NoSigners.selector));
        attestations.verify(DIGEST, epoch, evidence);
    }

    function test_MalformedEvidenceIsRefused() public {
        bytes memory evidence = evidenceOf(ALL, DIGEST, epoch);
        uint256[5] memory lengths = [uint256(0), 511, 513, 831, 833];
        for (uint256 i; i < 5; ++i) {
            bytes memory cut = new bytes(lengths[i]);
            for (uint256 j; j < cut.length && j < evidence.length; ++j) {
                cut[j] = evidence[j];
            }
            _expectFor(cut, abi.encodeWithSelector(IBlsAttestations.MalformedEvidence.selector, lengths[i]));
        }
        // A signature off the curve.
        evidence[127] ^= 0x01;
        _expectFor(evidence, abi.encodeWithSelector(BLS.PrecompileFailed.selector, 0x0f));
    }

    function test_EveryFlippedByteIsRefused() public view {
        bytes memory evidence = evidenceOf(ALL & ~uint256(2), DIGEST, epoch);
        assertFalse(_refused(evidence));
        for (uint256 i; i < evidence.length; i += 5) {
            evidence[i] ^= 0x01;
            assertTrue(_refused(evidence), "a changed byte passed");
            evidence[i] ^= 0x01;
        }
        assertFalse(_refused(evidence));
    }

    // ---- epochs ----

    function test_SetsOfTheFutureAndOfLongAgoDoNotCount() public {
        bytes memory evidence = evidenceOf(ALL, DIGEST, epoch);
        _expect(abi.encodeWithSelector(IBlsAttestations.EpochNotBegun.selector, epoch + 1, epoch));
        attestations.verify(DIGEST, epoch + 1, evidence);
        _expect(abi.encodeWithSelector(IBlsAttestations.EpochNotBegun.selector, epoch + 1, epoch));
        attestations.totalsAt(epoch + 1);
        clock.setEpoch(epoch + MAX_AGE);
        attestations.verify(DIGEST, epoch, evidence);
        clock.setEpoch(epoch + MAX_AGE + 1);
        _expect(abi.encodeWithSelector(IBlsAttestations.EpochTooOld.selector, epoch, epoch + 1));
        attestations.verify(DIGEST, epoch, evidence);
    }

    /// @dev Whoever joins, leaves, rotates or is refreshed in a running epoch changes the next one only.
    function test_ARunningEpochNeverChanges() public {
        bytes memory before = evidenceOf(ALL & ~uint256(6), DIGEST, epoch);
        (uint256 weight, uint256 count) = attestations.verify(DIGEST, epoch, before);
        join(SIZE + 1);
        BLS.G2 memory key = publicKey(secretOf(2));
        vm.prank(coldOf(2));
        attestations.unregister(accountOf(2), key);
        join(SIZE + 2);
        assertEq(attestations.memberOf(uint32(SIZE + 2)).place, 1, "in the place of who left");
        scales.setWeight(accountOf(3), 1);
        attestations.refresh(accountOf(3), publicKey(secretOf(3)));
        for (uint256 i; i < 3; ++i) {
            (uint256 weightNow, uint256 countNow) = attestations.verify(DIGEST, epoch, before);
            assertEq(weightNow, weight);
            assertEq(countNow, count);
            nextEpoch();
        }
        // Nor does the set of now speak for then.
        bytes memory evidence =
            encode(signatureOf(ALL, DIGEST, epoch), attestations.nextGroup(), ALL, new Absentee[](0));
        _expect(abi.encodeWithSelector(IBlsAttestations.WrongGroup.selector, epoch));
        attestations.verify(DIGEST, epoch, evidence);
    }

    /// @dev Random histories: what an epoch's full set signed keeps its weight for as long as it counts.
    /// forge-config: default.fuzz.runs = 24
    function testFuzz_HistoriesKeepEveryEpoch(uint256 chance) public {
        bytes[] memory evidence = new bytes[](6);
        uint256[] memory weights = new uint256[](6);
        uint256 first = epoch;
        uint256 newcomer = SIZE;
        for (uint256 i; i < 6; ++i) {
            IBlsAttestations.Group memory group = attestations.nextGroup();
            epoch = nextEpoch();
            evidence[i] = _evidenceOfAll(group);
            weights[i] = group.weight;
            for (uint256 step; step < 3; ++step) {
                chance = uint256(keccak256(abi.encode(chance)));
                uint256 operator = chance % newcomer + 1;
                uint32 account = attestations.memberOf(uint32(operator)).account;
                if (account == 0 || chance >> 250 < 16) {
                    join(++newcomer);
                } else {
                    uint64 weight = uint64(chance >> 64) % 3 == 0 ? 0 : uint64(chance >> 128);
                    scales.setWeight(account, weight);
                    attestations.refresh(account, publicKey(secretOf(operator)));
                }
            }
        }
        for (uint256 i; i < 6; ++i) {
            (uint256 weight,) = attestations.verify(DIGEST, first + 1 + i, evidence[i]);
            assertEq(weight, weights[i]);
            (weight,) = attestations.totalsAt(first + 1 + i);
            assertEq(weight, weights[i]);
        }
    }

    // ---- helpers ----

    function _expectFor(bytes memory evidence, bytes memory data) private {
        _expect(data);
        attestations.verify(DIGEST, epoch, evidence);
    }

    function _joinWith(uint256 operator, uint256 secret) private {
        uint32 account = accountOf(operator);
        scales.set(account, coldOf(operator), 1);
        (BLS.G2 memory key, BLS.G1 memory proof) = (publicKey(secret), possession(account, secret));
        vm.prank(coldOf(operator));
        attestations.register(account, key, proof);
    }

    /// @dev Signed by the sum of whoever is a member now.
    function _evidenceOfAll(IBlsAttestations.Group memory group) private view returns (bytes memory) {
        uint256 sum;
        for (uint32 operator = 1; operator < 64; ++operator) {
            if (attestations.memberOf(operator).account != 0) sum = addmod(sum, secretOf(operator), ORDER);
        }
        BLS.G1 memory signature =
            signBls(sum, attestations.attestationMessage(DIGEST, epoch), attestations.ATTESTATION_TAG());
        return encode(signature, group, group.members, new Absentee[](0));
    }
}
