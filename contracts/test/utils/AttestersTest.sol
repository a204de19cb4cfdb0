// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IBlsAttestations} from "../../src/interfaces/IBlsAttestations.sol";
import {BlsAttestations} from "../../src/BlsAttestations.sol";
import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {BLS} from "../../src/libraries/BLS.sol";
import {BlsTest} from "./BlsTest.sol";
import {Test} from "./Test.sol";

/// @dev The clock of a beacon, which moves the test's time.
contract ClockStub is Test {
    uint256 public constant epochSeconds = 300;
    uint256 public immutable genesis = block.timestamp;

    function currentEpoch() public view returns (uint256) {
        return (block.timestamp - genesis) / epochSeconds + 1;
    }

    function setEpoch(uint256 epoch) external {
        vm.warp(genesis + (epoch - 1) * epochSeconds);
    }
}

/// @dev Operators and weights as told.
contract ScalesStub {
    uint256 public constant unbondingDelay = 14 days;

    mapping(uint32 account => uint64) public weightOf;
    mapping(uint32 account => address) private _operators;

    function set(uint32 account, address operator, uint64 weight) external {
        _operators[account] = operator;
        weightOf[account] = weight;
    }

    function setWeight(uint32 account, uint64 weight) external {
        weightOf[account] = weight;
    }

    function accounts(uint32 account) external view returns (IRewardDistributor.Account memory found) {
        found.operator = _operators[account];
    }
}

/// @title An attester set whose secret keys the test holds
/// @dev Operator i has the accounts 2i and 2i + 1 and attests with the latter.
abstract contract AttestersTest is BlsTest {
    uint256 internal constant MAX_AGE = 100;
    bytes32 internal constant DIGEST = keccak256("digest");

    struct Absentee {
        uint32 account;
        uint64 weight;
        uint256 secret;
    }

    ClockStub internal clock;
    ScalesStub internal scales;
    BlsAttestations internal attestations;

    function deploy() internal {
        clock = new ClockStub();
        scales = new ScalesStub();
        attestations = BlsAttestations(_create(abi.encode(address(scales), address(clock), MAX_AGE)));
    }

    /// @dev Creation code of the verifier; the gas tests take what is deployed for real.
    function creationCode() internal view virtual returns (bytes memory) {
        return type(BlsAttestations).creationCode;
    }

    function _create(bytes memory arguments) private returns (address created) {
        bytes memory code = bytes.concat(creationCode(), arguments);
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
        }
        assertTrue(created != address(0), "created");
    }

    function accountOf(uint256 operator) internal pure returns (uint32) {
        return uint32(2 * operator + 1);
    }

    function coldOf(uint256 operator) internal pure returns (address) {
        return address(uint160(0x10000 + operator));
    }

    function weightAt(uint256 operator) internal pure returns (uint64) {
        return uint64(1_000_000 + 1_000 * operator);
    }

    function possession(uint32 account, uint256 secret) internal view returns (BLS.G1 memory) {
        bytes memory message = attestations.possessionMessage(account, publicKey(secret));
        return signBls(secret, message, attestations.POSSESSION_TAG());
    }

    function join(uint256 operator) internal {
        uint32 account = accountOf(operator);
        scales.set(account, coldOf(operator), weightAt(operator));
        uint256 secret = secretOf(operator);
        (BLS.G2 memory key, BLS.G1 memory proof) = (publicKey(secret), possession(account, secret));
        vm.prank(coldOf(operator));
        attestations.register(account, key, proof);
    }

    /// @dev Operators 1 to `count` in the places 0 to count - 1.
    function joinMany(uint256 count) internal {
        for (uint256 i = 1; i <= count; ++i) {
            join(i);
        }
    }

    function nextEpoch() internal returns (uint256 epoch) {
        epoch = clock.currentEpoch() + 1;
        clock.setEpoch(epoch);
    }

    /// @dev Sum of the signatures of operators, place i by operator i + 1.
    function signatureOf(uint256 signers, bytes32 digest, uint256 epoch) internal view returns (BLS.G1 memory) {
        uint256 sum;
        for (uint256 i; i < 256; ++i) {
            if (signers >> i & 1 == 1) sum = addmod(sum, secretOf(i + 1), ORDER);
        }
        return signBls(sum, attestations.attestationMessage(digest, epoch), attestations.ATTESTATION_TAG());
    }

    function encode(
        BLS.G1 memory signature,
        IBlsAttestations.Group memory group,
        uint256 signers,
        Absentee[] memory absent
    ) internal view returns (bytes memory evidence) {
        evidence = bytes.concat(abi.encode(signature), abi.encode(group), bytes32(signers));
        for (uint256 i; i < absent.length; ++i) {
            evidence =
                bytes.concat(evidence, abi.encode(absent[i].account, absent[i].weight, publicKey(absent[i].secret)));
        }
    }

    /// @dev Those of places in `group` that are not in `signers`, highest first.
    function absentOf(uint256 members, uint256 signers) internal pure returns (Absentee[] memory absent) {
        uint256 count;
        for (uint256 i; i < 256; ++i) {
            if ((members & ~signers) >> i & 1 == 1) ++count;
        }
        absent = new Absentee[](count);
        for (uint256 i; i < 256; ++i) {
            if ((members & ~signers) >> i & 1 == 1) {
                absent[--count] = Absentee(accountOf(i + 1), weightAt(i + 1), secretOf(i + 1));
            }
        }
    }

    function evidenceOf(uint256 signers, bytes32 digest, uint256 epoch) internal view returns (bytes memory) {
        IBlsAttestations.Group memory group = attestations.nextGroup();
        return encode(signatureOf(signers, digest, epoch), group, signers, absentOf(group.members, signers));
    }
}
