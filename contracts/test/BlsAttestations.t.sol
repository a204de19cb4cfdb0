// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BlsAttestations} from "../src/BlsAttestations.sol";
import {IBlsAttestations} from "../src/interfaces/IBlsAttestations.sol";
import {BLS} from "../src/libraries/BLS.sol";
import {AttestersTest} from "./utils/AttestersTest.sol";

/// @title Joining, leaving and keys
contract BlsAttestationsTest is AttestersTest {
    function setUp() public {
        deploy();
    }

    function _expect(bytes memory data) private {
        vm.expectRevert(data);
    }

    function _registerAs(address caller, uint32 account, BLS.G2 memory key, BLS.G1 memory proof) private {
        vm.prank(caller);
        attestations.register(account, key, proof);
    }

    function _accept(uint256 signers, uint256 epoch) private view returns (uint256 weight, uint256 count) {
        return attestations.verify(DIGEST, epoch, evidenceOf(signers, DIGEST, epoch));
    }

    // ---- construction ----

    function test_ConstructionRefusesBadParameters() public {
        _expect(abi.encodeWithSelector(IBlsAttestations.ZeroAddress.selector));
        new BlsAttestations(address(0), address(clock), 1);
        _expect(abi.encodeWithSelector(IBlsAttestations.ZeroAddress.selector));
        new BlsAttestations(address(scales), address(0), 1);
        _expect(abi.encodeWithSelector(IBlsAttestations.BadParameter.selector, "maxAge"));
        new BlsAttestations(address(scales), address(clock), 0);
        _expect(abi.encodeWithSelector(IBlsAttestations.BadParameter.selector, "maxAge"));
        new BlsAttestations(address(scales), address(clock), uint256(type(uint32).max) + 1);
        // Whoever signed must still have its stake in reach.
        uint256 unbonding = scales.unbondingDelay() / clock.epochSeconds();
        _expect(abi.encodeWithSelector(IBlsAttestations.BadParameter.selector, "maxAge"));
        new BlsAttestations(address(scales), address(clock), unbonding);
        assertEq(new BlsAttestations(address(scales), address(clock), unbonding - 1).maxAge(), unbonding - 1);
    }

    // ---- register ----

    function test_RegisterJoinsFromTheNextEpoch() public {
        scales.set(3, coldOf(1), 500);
        uint256 secret = secretOf(1);
        (BLS.G2 memory key, BLS.G1 memory proof) = (publicKey(secret), possession(3, secret));
        IBlsAttestations.Group memory group = IBlsAttestations.Group(key, 500, 1, 1);
        vm.expectEmit(address(attestations));
        emit IBlsAttestations.AttesterJoined(3, 0, 500, key, 2);
        vm.expectEmit(address(attestations));
        emit IBlsAttestations.GroupChanged(2, group);
        _registerAs(coldOf(1), 3, key, proof);

        assertEq(abi.encode(attestations.nextGroup()), abi.encode(group));
        IBlsAttestations.Member memory member = attestations.memberOf(1);
        assertEq(abi.encode(member), abi.encode(IBlsAttestations.Member(3, 500, 0, keccak256(abi.encode(key)))));
        (uint256 weight, uint256 count) = attestations.totalsAt(1);
        assertEq(weight + count, 0, "not in the running epoch");
        nextEpoch();
        (weight, count) = attestations.totalsAt(2);
        assertEq(weight, 500);
        assertEq(count, 1);
    }

    function test_RegisterIsForTheOperatorOfAnAccountWithWeight() public {
        uint256 secret = secretOf(1);
        (BLS.G2 memory key, BLS.G1 memory proof) = (publicKey(secret), possession(3, secret));
        _expect(abi.encodeWithSelector(IBlsAttestations.NotOperator.selector, 3, coldOf(1)));
        _registerAs(coldOf(1), 3, key, proof);
        scales.set(3, coldOf(1), 0);
        _expect(abi.encodeWithSelector(IBlsAttestations.NoWeight.selector, 3));
        _registerAs(coldOf(1), 3, key, proof);
        scales.setWeight(3, 1);
        _expect(abi.encodeWithSelector(IBlsAttestations.NotOperator.selector, 3, coldOf(2)));
        _registerAs(coldOf(2), 3, key, proof);
        _registerAs(coldOf(1), 3, key, proof);
    }

    function test_AnOperatorAttestsOnce() public {
        join(1);
        scales.set(2, coldOf(1), 10);
        uint256 secret = secretOf(9);
        (BLS.G2 memory key, BLS.G1 memory proof) = (publicKey(secret), possession(2, secret));
        _expect(abi.encodeWithSelector(IBlsAttestations.AlreadyAttesting.selector, 3));
        _registerAs(coldOf(1), 2, key, proof);
        proof = possession(3, secret);
        _expect(abi.encodeWithSelector(IBlsAttestations.AlreadyAttesting.selector, 3));
        _registerAs(coldOf(1), 3, key, proof);
    }

    /// @dev Without a proof of possession the last to join could choose its key so that the sum is its own.
    function test_RogueKeyIsRefused() public {
        joinMany(3);
        uint32 account = accountOf(4);
        scales.set(account, coldOf(4), 1);
        uint256 own = secretOf(4);
        BLS.G2 memory sum = attestations.nextGroup().key;
        BLS.G2 memory rogue = BLS.subtract(publicKey(own), sum);
        // With it in the set, this signature by one secret key would have counted for all four.
        BLS.G1 memory alone = signBls(own, attestations.attestationMessage(DIGEST, 2), attestations.ATTESTATION_TAG());
        assertTrue(
            BLS.isSigned(
                alone,
                BLS.add(sum, rogue),
                attestations.attestationMessage(DIGEST, 2),
                bytes(attestations.ATTESTATION_TAG())
            )
        );
        bytes memory message = attestations.possessionMessage(account, rogue);
        BLS.G1 memory proof = signBls(own, message, attestations.POSSESSION_TAG());
        _expect(abi.encodeWithSelector(IBlsAttestations.NotPossessed.selector, account));
        _registerAs(coldOf(4), account, rogue, proof);
        // Nor with the proofs of the others, made for their keys.
        for (uint256 i = 1; i <= 3; ++i) {
            proof = possession(accountOf(i), secretOf(i));
            _expect(abi.encodeWithSelector(IBlsAttestations.NotPossessed.selector, account));
            _registerAs(coldOf(4), account, rogue, proof);
        }
    }

    function test_ProofIsBoundToAccountChainAndContract() public {
        scales.set(3, coldOf(1), 1);
        scales.set(5, coldOf(2), 1);
        uint256 secret = secretOf(1);
        BLS.G2 memory key = publicKey(secret);
        BLS.G1 memory proof = possession(3, secret);
        // A copied key, with the proof as seen in the mempool.
        _expect(abi.encodeWithSelector(IBlsAttestations.NotPossessed.selector, 5));
        _registerAs(coldOf(2), 5, key, proof);
        BlsAttestations other = new BlsAttestations(address(scales), address(clock), MAX_AGE);
        _expect(abi.encodeWithSelector(IBlsAttestations.NotPossessed.selector, 3));
        vm.prank(coldOf(1));
        other.register(3, key, proof);
        // An attestation under the other tag is no proof.
        BLS.G1 memory attested = signBls(secret, attestations.possessionMessage(3, key), attestations.ATTESTATION_TAG());
        _expect(abi.encodeWithSelector(IBlsAttestations.NotPossessed.selector, 3));
        _registerAs(coldOf(1), 3, key, attested);
        vm.chainId(5);
        _expect(abi.encodeWithSelector(IBlsAttestations.NotPossessed.selector, 3));
        _registerAs(coldOf(1), 3, key, proof);
    }

    function test_KeyAtInfinityAndPointsOutsideAreRefused() public {
        scales.set(3, coldOf(1), 1);
        BLS.G2 memory infinity;
        BLS.G1 memory nothing;
        _expect(abi.encodeWithSelector(IBlsAttestations.KeyAtInfinity.selector));
        _registerAs(coldOf(1), 3, infinity, nothing);
        bytes memory outside = vm.parseJsonBytes(vm.readFile("test/vectors/bls.json"), ".outsideG2");
        _expect(abi.encodeWithSelector(BLS.PrecompileFailed.selector, 0x0f));
        _registerAs(coldOf(1), 3, abi.decode(outside, (BLS.G2)), nothing);
    }

    // ---- unregister, rotate, refresh ----

    function test_UnregisterGivesThePlaceBackFromTheNextEpoch() public {
        joinMany(3);
        nextEpoch();
        (uint32 account, BLS.G2 memory key) = (accountOf(2), publicKey(secretOf(2)));
        _expect(abi.encodeWithSelector(IBlsAttestations.NotOperator.selector, account, coldOf(1)));
        vm.prank(coldOf(1));
        attestations.unregister(account, key);
        BLS.G2 memory wrong = publicKey(secretOf(1));
        _expect(abi.encodeWithSelector(IBlsAttestations.WrongKey.selector, account));
        vm.prank(coldOf(2));
        attestations.unregister(account, wrong);
        vm.expectEmit(address(attestations));
        emit IBlsAttestations.AttesterLeft(account, 1, 3);
        vm.prank(coldOf(2));
        attestations.unregister(account, key);
        assertEq(attestations.nextGroup().members, 5);
        assertEq(attestations.memberOf(2).account, 0);
        _expect(abi.encodeWithSelector(IBlsAttestations.NotAttesting.selector, account));
        vm.prank(coldOf(2));
        attestations.unregister(account, key);
        // The lowest free place goes to the next, and so does an operator's right to come back.
        join(4);
        assertEq(attestations.memberOf(4).place, 1);
        join(2);
        assertEq(attestations.memberOf(2).place, 3);
    }

    function test_TheLastMemberMayLeave() public {
        join(1);
        BLS.G2 memory key = publicKey(secretOf(1));
        vm.prank(coldOf(1));
        attestations.unregister(accountOf(1), key);
        IBlsAttestations.Group memory empty;
        assertEq(abi.encode(attestations.nextGroup()), abi.encode(empty));
        nextEpoch();
        bytes memory evidence = new bytes(512);
        _expect(abi.encodeWithSelector(IBlsAttestations.NoSigners.selector));
        attestations.verify(DIGEST, 2, evidence);
        evidence[511] = 0x01;
        _expect(abi.encodeWithSelector(IBlsAttestations.UnknownSigners.selector, 1));
        attestations.verify(DIGEST, 2, evidence);
    }

    function test_RotationCountsFromTheNextEpoch() public {
        joinMany(2);
        uint256 epoch = nextEpoch();
        bytes memory before = evidenceOf(3, DIGEST, epoch);
        uint256 secret = secretOf(77);
        (uint32 account, BLS.G2 memory oldKey, BLS.G2 memory newKey) =
            (accountOf(2), publicKey(secretOf(2)), publicKey(secret));
        BLS.G1 memory proof = possession(account, secret);
        _expect(abi.encodeWithSelector(IBlsAttestations.NotOperator.selector, account, coldOf(1)));
        vm.prank(coldOf(1));
        attestations.rotate(account, oldKey, newKey, proof);
        BLS.G1 memory wrong = possession(account, secretOf(2));
        vm.startPrank(coldOf(2));
        _expect(abi.encodeWithSelector(IBlsAttestations.NotPossessed.selector, account));
        attestations.rotate(account, oldKey, newKey, wrong);
        _expect(abi.encodeWithSelector(IBlsAttestations.WrongKey.selector, account));
        attestations.rotate(account, newKey, newKey, proof);
        vm.expectEmit(address(attestations));
        emit IBlsAttestations.AttesterKeyChanged(account, newKey, epoch + 1);
        attestations.rotate(account, oldKey, newKey, proof);
        vm.stopPrank();

        (, uint256 count) = attestations.verify(DIGEST, epoch, before);
        assertEq(count, 2, "the running epoch keeps the old key");
        nextEpoch();
        assertPoint(attestations.nextGroup().key, BLS.add(publicKey(secretOf(1)), newKey));
        bytes memory old = evidenceOf(3, DIGEST, epoch + 1);
        _expect(abi.encodeWithSelector(IBlsAttestations.AggregateMismatch.selector, DIGEST, epoch + 1));
        attestations.verify(DIGEST, epoch + 1, old);
        (, count) = attestations.verify(DIGEST, epoch, before);
        assertEq(count, 2, "and past epochs too");
        // The old key's hash no longer names the member.
        _expect(abi.encodeWithSelector(IBlsAttestations.WrongKey.selector, account));
        attestations.refresh(account, oldKey);
    }

    function test_AnyoneRefreshesWeights() public {
        joinMany(2);
        nextEpoch();
        (uint32 account, BLS.G2 memory key) = (accountOf(1), publicKey(secretOf(1)));
        _expect(abi.encodeWithSelector(IBlsAttestations.NothingToRefresh.selector, account));
        attestations.refresh(account, key);
        scales.setWeight(account, 5);
        vm.expectEmit(address(attestations));
        emit IBlsAttestations.AttesterWeightChanged(account, 5, 3);
        attestations.refresh(account, key);
        (uint256 weight,) = attestations.totalsAt(2);
        assertEq(weight, weightAt(1) + weightAt(2), "the running epoch does not change");
        nextEpoch();
        (weight,) = attestations.totalsAt(3);
        assertEq(weight, 5 + weightAt(2));
        (uint256 signed, uint256 count) = _accept(3, 3);
        assertEq(signed, weight);
        assertEq(count, 2);
    }

    function test_WhoWeighsNothingLosesItsPlace() public {
        joinMany(2);
        scales.setWeight(accountOf(1), 0);
        attestations.refresh(accountOf(1), publicKey(secretOf(1)));
        assertEq(attestations.memberOf(1).account, 0);
        nextEpoch();
        (uint256 weight, uint256 count) = _accept(2, 2);
        assertEq(weight, weightAt(2));
        assertEq(count, 1);
    }

    // ---- a full set ----

    function test_AHeavierNewcomerDisplacesFromAFullSet() public {
        joinMany(256);
        uint32 newcomer = accountOf(300);
        scales.set(newcomer, coldOf(300), weightAt(5));
        uint256 secret = secretOf(300);
        (BLS.G2 memory key, BLS.G1 memory proof) = (publicKey(secret), possession(newcomer, secret));
        (BLS.G2 memory fourth, BLS.G2 memory fifth) = (publicKey(secretOf(4)), publicKey(secretOf(5)));
        vm.startPrank(coldOf(300));
        _expect(abi.encodeWithSelector(IBlsAttestations.SetFull.selector, 256));
        attestations.register(newcomer, key, proof);
        _expect(abi.encodeWithSelector(IBlsAttestations.NotHeavier.selector, weightAt(5), weightAt(5)));
        attestations.displace(newcomer, key, proof, accountOf(5), fifth);
        // What counts is what the member weighs now, not what was recorded.
        vm.stopPrank();
        scales.setWeight(accountOf(4), weightAt(6));
        vm.startPrank(coldOf(300));
        _expect(abi.encodeWithSelector(IBlsAttestations.NotHeavier.selector, weightAt(5), weightAt(6)));
        attestations.displace(newcomer, key, proof, accountOf(4), fourth);
        vm.stopPrank();
        scales.setWeight(accountOf(4), weightAt(4));
        vm.startPrank(coldOf(300));
        _expect(abi.encodeWithSelector(IBlsAttestations.WrongKey.selector, accountOf(4)));
        attestations.displace(newcomer, key, proof, accountOf(4), fifth);
        attestations.displace(newcomer, key, proof, accountOf(4), fourth);
        vm.stopPrank();
        assertEq(attestations.memberOf(4).account, 0);
        assertEq(attestations.memberOf(300).place, 3);
        assertEq(attestations.nextGroup().members, type(uint256).max);
        nextEpoch();
        (, uint256 count) = attestations.totalsAt(2);
        assertEq(count, 256);
    }

    function test_NobodyIsDisplacedWhileThereIsRoom() public {
        join(1);
        uint32 newcomer = accountOf(2);
        scales.set(newcomer, coldOf(2), weightAt(2));
        uint256 secret = secretOf(2);
        (BLS.G2 memory key, BLS.G1 memory proof) = (publicKey(secret), possession(newcomer, secret));
        BLS.G2 memory victim = publicKey(secretOf(1));
        _expect(abi.encodeWithSelector(IBlsAttestations.SetNotFull.selector, 1));
        vm.prank(coldOf(2));
        attestations.displace(newcomer, key, proof, accountOf(1), victim);
    }
}
