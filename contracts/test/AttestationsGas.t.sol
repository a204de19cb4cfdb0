// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAttestationVerifier} from "../src/interfaces/IAttestationVerifier.sol";
import {BLS} from "../src/libraries/BLS.sol";
import {AttestersTest} from "./utils/AttestersTest.sol";

/// @dev The least that a list of signatures costs: recover each, in ascending order, and read what its key weighs.
/// Written by hand, so that the figure is the same however the tests are compiled.
contract EcdsaList {
    mapping(address key => uint256) public weightOf;

    function set(address key, uint256 weight) external {
        weightOf[key] = weight;
    }

    function verify(bytes32 digest, uint256, bytes calldata evidence)
        external
        view
        returns (uint256 weight, uint256 signers)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, digest)
            mstore(0x20, weightOf.slot)
            let last := 0
            signers := div(evidence.length, 65)
            for {
                let at := evidence.offset
                let end := add(at, mul(signers, 65))
            } lt(at, end) { at := add(at, 65) } {
                mstore(add(free, 0x20), byte(0, calldataload(add(at, 64))))
                calldatacopy(add(free, 0x40), at, 64)
                mstore(0x00, 0)
                pop(staticcall(gas(), 1, free, 0x80, 0x00, 0x20))
                let key := mload(0x00)
                let weighs := sload(keccak256(0x00, 0x40))
                if or(iszero(gt(key, last)), iszero(weighs)) { revert(0, 0) }
                weight := add(weight, weighs)
                last := key
            }
        }
    }
}

/// @title One aggregate signature against a list of signatures
/// @notice Measured on the committed bytecode in abi/, each check as a transaction of its own; figures are what a
/// receipt shows, intrinsic gas and calldata included. snapshots/attestations.json keeps them.
/// forge-config: default.isolate = true
contract AttestationsGasTest is AttestersTest {
    uint256 private constant LARGEST_FULL = 165_000;

    EcdsaList private list = new EcdsaList();

    function creationCode() internal view override returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile("abi/BlsAttestations.json"), ".bytecode");
    }

    function _spent(string memory name) private returns (uint256 used) {
        used = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("attestations", name, used);
    }

    /// @dev A call that could write becomes a transaction; a view would not.
    function _check(address verifier, uint256 epoch, bytes memory evidence, uint256 expected) private {
        bytes memory data = abi.encodeCall(IAttestationVerifier.verify, (DIGEST, epoch, evidence));
        (bool ok, bytes memory answer) = verifier.call(data);
        assertTrue(ok, "accepted");
        (, uint256 signers) = abi.decode(answer, (uint256, uint256));
        assertEq(signers, expected);
    }

    function _aggregate(uint256 size, uint256 absent) private returns (uint256) {
        deploy();
        joinMany(size);
        uint256 epoch = nextEpoch();
        bytes memory evidence = evidenceOf(((1 << size) - 1) >> absent, DIGEST, epoch);
        _check(address(attestations), epoch, evidence, size - absent);
        return _spent(string.concat("BLS: ", vm.toString(size), " attesters, ", vm.toString(absent), " absent"));
    }

    /// @dev Keys ascend by address.
    function _list(uint256 size) private returns (uint256) {
        uint256[] memory sorted = new uint256[](size);
        for (uint256 i; i < size; ++i) {
            uint256 key = i + 1;
            uint256 j = i;
            for (; j > 0 && vm.addr(sorted[j - 1]) > vm.addr(key); --j) {
                sorted[j] = sorted[j - 1];
            }
            sorted[j] = key;
            list.set(vm.addr(key), 1);
        }
        bytes memory evidence;
        for (uint256 i; i < size; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(sorted[i], DIGEST);
            evidence = bytes.concat(evidence, r, s, bytes1(v));
        }
        _check(address(list), 0, evidence, size);
        return _spent(string.concat("ECDSA: ", vm.toString(size), " signatures"));
    }

    /// @dev Against lists of as many signatures as the aggregate has signers. Each absent key is subtracted, so two
    /// absent of 24 cost more than the aggregate saves; four of 48 do not.
    function test_AFullAggregateBeatsTheListFromTwentyFourOn() public {
        uint256 full = _aggregate(24, 0);
        assertLe(full, LARGEST_FULL, "a full set");
        assertLt(full, _list(24), "24 of 24");
        assertGt(_aggregate(24, 2), _list(22), "22 of 24");
        assertLt(_aggregate(48, 0), _list(48), "48 of 48");
        assertLt(_aggregate(48, 4), _list(44), "44 of 48");
        assertGt(_aggregate(16, 0), _list(16), "a small committee is better off with a list");
    }

    function test_MembershipCosts() public {
        deploy();
        join(1);
        scales.set(accountOf(2), coldOf(2), weightAt(2));
        uint256 secret = secretOf(2);
        (BLS.G2 memory key, BLS.G1 memory proof) = (publicKey(secret), possession(accountOf(2), secret));
        vm.prank(coldOf(2));
        attestations.register(accountOf(2), key, proof);
        _spent("BLS: register");
        nextEpoch();
        scales.setWeight(accountOf(2), 5);
        attestations.refresh(accountOf(2), key);
        _spent("BLS: refresh");
        vm.prank(coldOf(2));
        attestations.unregister(accountOf(2), key);
        _spent("BLS: unregister");
    }
}
