// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BlsAttestations} from "../src/BlsAttestations.sol";
import {IBlsAttestations} from "../src/interfaces/IBlsAttestations.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Role} from "../src/interfaces/Types.sol";
import {BLS} from "../src/libraries/BLS.sol";
import {BatchTest} from "./utils/BatchTest.sol";
import {BlsTest} from "./utils/BlsTest.sol";

/// @dev The clock that counts the epochs of the lane's stub as a beacon does, from 1.
contract LaneClock {
    uint256 public constant epochSeconds = 300;
    uint256 public immutable genesis;

    constructor(uint256 genesis_) {
        genesis = genesis_ + epochSeconds;
    }
}

/// @title Batches under one aggregate signature of twenty-four attesters
contract BlsBatchTest is BatchTest, BlsTest {
    uint256 private constant SIZE = 24;
    uint256 private constant ALL = (1 << SIZE) - 1;
    uint32 private constant LEAST = 16;

    BlsAttestations private attestations;
    uint32[] private members;
    /// @dev Bits of the places that sign.
    uint256 private signing = ALL;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < SIZE; ++i) {
            uint32 account = addOperator(Role.Verifier, (1 + i % 3) * VERIFIER_MIN).account;
            members.push(account);
            BLS.G2 memory key = publicKey(secretOf(i));
            bytes memory message = attestations.possessionMessage(account, key);
            BLS.G1 memory proof = signBls(secretOf(i), message, attestations.POSSESSION_TAG());
            vm.prank(operatorOf(account));
            attestations.register(account, key, proof);
        }
        advance();
    }

    function makeAttesters() internal override returns (address) {
        LaneClock clock = new LaneClock(beacon.genesis());
        attestations = BlsAttestations(
            make("BlsAttestations", abi.encode(address(ledger), address(clock), uint256(7 days) / EPOCH))
        );
        return address(attestations);
    }

    function leastSigners() internal pure override returns (uint32) {
        return LEAST;
    }

    function attestedBy(bytes32 digest) internal view override returns (bytes memory) {
        return _evidence(digest, signing, signing);
    }

    /// @dev Evidence that names the places of `claimed`, under the sum of the signatures of `signed`.
    function _evidence(bytes32 digest, uint256 claimed, uint256 signed) private view returns (bytes memory evidence) {
        uint256 sum;
        for (uint256 i; i < SIZE; ++i) {
            if (signed >> i & 1 == 1) sum = addmod(sum, secretOf(i), ORDER);
        }
        bytes memory message = attestations.attestationMessage(digest, beacon.currentEpoch());
        BLS.G1 memory signature = signBls(sum, message, attestations.ATTESTATION_TAG());
        evidence = bytes.concat(abi.encode(signature), abi.encode(attestations.nextGroup()), bytes32(claimed));
        // Absentees, highest place first.
        for (uint256 left = SIZE; left != 0; --left) {
            uint256 i = left - 1;
            if (claimed >> i & 1 == 1) continue;
            uint256 weight = ledger.weightOf(members[i]);
            evidence = bytes.concat(evidence, abi.encode(uint256(members[i]), weight, publicKey(secretOf(i))));
        }
    }

    function _refused(Draft memory made, bytes memory evidence, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(coordinator);
        settlement.post(made.header, made.debits, evidence);
    }

    function _mismatch(bytes32 digest) private view returns (bytes memory) {
        return abi.encodeWithSelector(IBlsAttestations.AggregateMismatch.selector, digest, beacon.currentEpoch());
    }

    // ---- what is accepted ----

    function testABatchThatAllAttestedIsPaidOut() public {
        (uint256 weight, uint256 count) = attestations.totalsAt(beacon.currentEpoch());
        assertEq(count, SIZE);
        uint256 summed;
        for (uint256 i; i < SIZE; ++i) {
            summed += ledger.weightOf(members[i]);
        }
        assertEq(weight, summed);
        Draft memory made = draft(3);
        bytes32 batch = post(made);
        assertEq(settlement.batches(batch).pot, made.debits[0].debit);
        finish(batch);
        claimAll(made);
        assertEq(settlement.batches(batch).pot, 0);
    }

    /// forge-config: default.fuzz.runs = 8
    function testFuzz_WhoeverIsAbsentIsNamedAndTheBatchStands(uint256 absent) public {
        signing = ALL & ~(1 << absent % SIZE);
        bytes32 batch = post(draft(1));
        assertGt(settlement.batches(batch).finalAt, vm.getBlockTimestamp());
    }

    function testAsManyAsTheSettlementAsksForAreEnough() public {
        signing = (1 << LEAST) - 1;
        post(draft(1));
    }

    // ---- what is refused ----

    function testOneFewerIsTooFew() public {
        signing = (1 << (LEAST - 1)) - 1;
        Draft memory made = draft(1);
        bytes memory evidence = seal(made);
        uint256 weight;
        for (uint256 i; i + 1 < LEAST; ++i) {
            weight += ledger.weightOf(members[i]);
        }
        _refused(made, evidence, abi.encodeWithSelector(ISettlement.AttestersTooFew.selector, LEAST - 1, weight));
    }

    function testAForgedAggregateIsRefused() public {
        Draft memory made = draft(1);
        seal(made);
        bytes32 digest = settlement.attestedDigest(made.header);
        // One member's word for all, all but one for all, and all for all but one.
        _refused(made, _evidence(digest, ALL, 1), _mismatch(digest));
        _refused(made, _evidence(digest, ALL, ALL - 1), _mismatch(digest));
        _refused(made, _evidence(digest, ALL - 1, ALL), _mismatch(digest));
        // A signature by nobody's key.
        bytes memory evidence = _evidence(digest, ALL, ALL);
        bytes memory stranger_ = abi.encode(
            signBls(
                secretOf(999),
                attestations.attestationMessage(digest, beacon.currentEpoch()),
                attestations.ATTESTATION_TAG()
            )
        );
        for (uint256 i; i < stranger_.length; ++i) {
            evidence[i] = stranger_[i];
        }
        _refused(made, evidence, _mismatch(digest));
    }

    function testOneBatchSAttestationsServeNoOther() public {
        Draft memory first = draft(1);
        bytes memory evidence = seal(first);
        Draft memory second = draft(2);
        seal(second);
        _refused(second, evidence, _mismatch(settlement.attestedDigest(second.header)));
        vm.prank(coordinator);
        bytes32 batch = settlement.post(first.header, first.debits, evidence);
        // The same again, at once and in a later block.
        _refused(first, evidence, abi.encodeWithSelector(ISettlement.BatchExists.selector, batch));
        skip(12);
        _refused(first, evidence, abi.encodeWithSelector(IPaymentChannels.WrongFloor.selector, channel, 0, 1));
    }

    function testAttestationsCountInTheirEpochOnly() public {
        Draft memory made = draft(1);
        bytes memory evidence = seal(made);
        advance();
        _refused(made, evidence, _mismatch(settlement.attestedDigest(made.header)));
        // Attested again they do.
        bytes memory again = seal(made);
        vm.prank(coordinator);
        settlement.post(made.header, made.debits, again);
    }

    function testWhoLeftIsNotCountedAndWhoJoinedIsOnlyLater() public {
        BLS.G2 memory key = publicKey(secretOf(0));
        vm.prank(operatorOf(members[0]));
        attestations.unregister(members[0], key);
        Draft memory made = draft(1);
        bytes memory evidence = seal(made);
        // The running epoch's set still has the member, so the group after it proves nothing yet.
        _refused(made, evidence, abi.encodeWithSelector(IBlsAttestations.WrongGroup.selector, beacon.currentEpoch()));
        advance();
        bytes32 digest = settlement.attestedDigest(made.header);
        evidence = _evidence(digest, ALL, ALL);
        _refused(made, evidence, abi.encodeWithSelector(IBlsAttestations.UnknownSigners.selector, 1));
    }
}
