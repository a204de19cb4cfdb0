// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BlsAttestations} from "../src/BlsAttestations.sol";
import {RandomnessBeacon} from "../src/RandomnessBeacon.sol";
import {IBlsAttestations} from "../src/interfaces/IBlsAttestations.sol";
import {Fault, Role} from "../src/interfaces/Types.sol";
import {BLS} from "../src/libraries/BLS.sol";
import {BaseTest} from "./utils/BaseTest.sol";
import {BlsTest} from "./utils/BlsTest.sol";
import {SourceStub} from "./utils/SourceStub.sol";

/// @title The attester set on the real ledger and the real clock
contract BlsAttestationsSystemTest is BaseTest, BlsTest {
    bytes32 private constant DIGEST = keccak256("batch");

    RandomnessBeacon private beacon;
    BlsAttestations private attestations;

    function setUp() public override {
        super.setUp();
        beacon = new RandomnessBeacon(address(manager), tasks.genesis(), EPOCH, address(new SourceStub(0)));
        attestations = new BlsAttestations(address(ledger), address(beacon), 7 days / EPOCH);
    }

    function _attest(uint256 seed, Operator memory operator) private {
        uint256 secret = secretOf(seed);
        BLS.G2 memory key = publicKey(secret);
        bytes memory message = attestations.possessionMessage(operator.account, key);
        BLS.G1 memory proof = signBls(secret, message, attestations.POSSESSION_TAG());
        vm.prank(operator.cold);
        attestations.register(operator.account, key, proof);
    }

    function _signed(uint256[] memory seeds, uint256 epoch) private view returns (bytes memory) {
        uint256 sum;
        for (uint256 i; i < seeds.length; ++i) {
            sum = addmod(sum, secretOf(seeds[i]), ORDER);
        }
        bytes memory message = attestations.attestationMessage(DIGEST, epoch);
        IBlsAttestations.Group memory group = attestations.nextGroup();
        BLS.G1 memory signature = signBls(sum, message, attestations.ATTESTATION_TAG());
        return bytes.concat(abi.encode(signature), abi.encode(group), bytes32(group.members));
    }

    function test_EpochsAreThoseOfTheTaskManager() public {
        for (uint256 i; i < 3; ++i) {
            assertEq(beacon.currentEpoch(), tasks.currentEpoch());
            nextEpoch();
        }
    }

    function test_StakedOperatorsAttestWithTheirWeight() public {
        Operator memory compute = addOperator(Role.Compute, COMPUTE_MIN);
        Operator memory judge = addOperator(Role.Verifier, 2 * VERIFIER_MIN);
        _attest(1, compute);
        _attest(2, judge);
        nextEpoch();
        uint256[] memory seeds = new uint256[](2);
        (seeds[0], seeds[1]) = (1, 2);
        uint256 epoch = beacon.currentEpoch();
        (uint256 weight, uint256 signers) = attestations.verify(DIGEST, epoch, _signed(seeds, epoch));
        assertEq(weight, ledger.weightOf(compute.account) + ledger.weightOf(judge.account));
        assertEq(signers, 2);
    }

    function test_NodeKeysAndStrangersDoNotRegister() public {
        Operator memory operator = addOperator(Role.Compute, COMPUTE_MIN);
        BLS.G2 memory key = publicKey(secretOf(1));
        BLS.G1 memory proof =
            signBls(secretOf(1), attestations.possessionMessage(operator.account, key), attestations.POSSESSION_TAG());
        address[2] memory others = [operator.node, stranger];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IBlsAttestations.NotOperator.selector, operator.account, others[i]));
            vm.prank(others[i]);
            attestations.register(operator.account, key, proof);
        }
    }

    function test_WhoIsSlashedLosesItsPlaceAndWhoUnbondsToo() public {
        Operator memory liar = addOperator(Role.Compute, COMPUTE_MIN);
        Operator memory leaver = addOperator(Role.Compute, COMPUTE_MIN);
        Operator memory honest = addOperator(Role.Compute, COMPUTE_MIN);
        _attest(1, liar);
        _attest(2, leaver);
        _attest(3, honest);
        vm.prank(address(tasks));
        ledger.slash(liar.account, "task", 0, Fault.Incorrect, 10_000, address(0));
        vm.prank(leaver.cold);
        ledger.requestUnbond(Role.Compute, COMPUTE_MIN);
        attestations.refresh(liar.account, publicKey(secretOf(1)));
        attestations.refresh(leaver.account, publicKey(secretOf(2)));
        BLS.G2 memory key = publicKey(secretOf(3));
        vm.expectRevert(abi.encodeWithSelector(IBlsAttestations.NothingToRefresh.selector, honest.account));
        attestations.refresh(honest.account, key);
        nextEpoch();
        uint256 epoch = beacon.currentEpoch();
        uint256[] memory seeds = new uint256[](1);
        seeds[0] = 3;
        (uint256 weight, uint256 signers) = attestations.verify(DIGEST, epoch, _signed(seeds, epoch));
        assertEq(weight, ledger.weightOf(honest.account));
        assertEq(signers, 1);
        // It cannot come back before it has weight again.
        uint256 secret = secretOf(1);
        key = publicKey(secret);
        BLS.G1 memory proof =
            signBls(secret, attestations.possessionMessage(liar.account, key), attestations.POSSESSION_TAG());
        vm.expectRevert(abi.encodeWithSelector(IBlsAttestations.NoWeight.selector, liar.account));
        vm.prank(liar.cold);
        attestations.register(liar.account, key, proof);
    }
}
