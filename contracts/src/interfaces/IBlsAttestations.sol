// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BLS} from "../libraries/BLS.sol";
import {IAttestationVerifier} from "./IAttestationVerifier.sol";

/// @title The attester set and its BLS keys
/// @notice Every change counts from the next epoch on: the set of a running or past epoch never changes.
interface IBlsAttestations is IAttestationVerifier {
    /// @notice The whole set of an epoch.
    /// @param key sum of the members' keys
    /// @param weight summed weight
    /// @param count of members
    /// @param members bit i is set when place i is taken
    struct Group {
        BLS.G2 key;
        uint256 weight;
        uint256 count;
        uint256 members;
    }

    /// @param account 0: the operator is not a member
    /// @param weight as recorded, counting from the next epoch at the latest
    /// @param place in the set, 0-255
    /// @param keyHash keccak256 of the key's 256 bytes
    struct Member {
        uint32 account;
        uint64 weight;
        uint8 place;
        bytes32 keyHash;
    }

    error ZeroAddress();
    error BadParameter(string name);
    error NotOperator(uint32 account, address caller);
    /// @notice The account weighs nothing: unknown, jailed, or below the minimum stake.
    error NoWeight(uint32 account);
    error AlreadyAttesting(uint32 account);
    error NotAttesting(uint32 account);
    error SetFull(uint256 members);
    /// @notice There is a free place, so nobody has to go for a newcomer.
    error SetNotFull(uint256 members);
    /// @notice A newcomer must weigh more than whom it displaces.
    error NotHeavier(uint256 weight, uint256 displaced);
    /// @notice The key is not the member's.
    error WrongKey(uint32 account);
    error KeyAtInfinity();
    /// @notice The key was not proven to be in its holder's possession.
    error NotPossessed(uint32 account);
    error NothingToRefresh(uint32 account);
    error EpochNotBegun(uint256 epoch, uint256 current);
    error EpochTooOld(uint256 epoch, uint256 oldest);
    error MalformedEvidence(uint256 length);
    /// @notice The group in the evidence is not that of the epoch.
    error WrongGroup(uint256 epoch);
    /// @notice The absent member in the evidence is not the one in that place.
    error WrongMember(uint256 place);
    /// @notice Nobody signed, or the signers' keys cancel out.
    error NoSigners();
    /// @notice Bits are set for places that nobody holds.
    error UnknownSigners(uint256 places);
    /// @notice The evidence names more or fewer absent members than are missing among the signers.
    error WrongAbsentees(uint256 named, uint256 missing);
    /// @notice The signature is not that of the named signers, all of them, on the digest for the epoch.
    error AggregateMismatch(bytes32 digest, uint256 epoch);

    event AttesterJoined(uint32 indexed account, uint8 place, uint64 weight, BLS.G2 key, uint256 fromEpoch);
    event AttesterLeft(uint32 indexed account, uint8 place, uint256 fromEpoch);
    event AttesterKeyChanged(uint32 indexed account, BLS.G2 key, uint256 fromEpoch);
    event AttesterWeightChanged(uint32 indexed account, uint64 weight, uint256 fromEpoch);
    /// @notice The set from an epoch on. Of several for one epoch the last counts.
    event GroupChanged(uint256 indexed fromEpoch, Group group);

    // ---- the operator's cold address ----

    /// @notice Join the set from the next epoch on. Reverts with NotOperator, NoWeight, AlreadyAttesting, SetFull,
    /// KeyAtInfinity, NotPossessed.
    /// @param account one of the caller's; an operator attests with one account
    /// @param proof signature by `key` of `possessionMessage(account, key)`
    function register(uint32 account, BLS.G2 calldata key, BLS.G1 calldata proof) external;

    /// @notice As `register`, in the place of a member of a full set that weighs less now. Reverts with SetNotFull,
    /// NotHeavier, NotAttesting, WrongKey too.
    function displace(
        uint32 account,
        BLS.G2 calldata key,
        BLS.G1 calldata proof,
        uint32 displaced,
        BLS.G2 calldata displacedKey
    ) external;

    /// @notice Change the key from the next epoch on. Signatures by the old one still count for epochs before. Reverts
    /// with NotOperator, NotAttesting, WrongKey, KeyAtInfinity, NotPossessed.
    function rotate(uint32 account, BLS.G2 calldata oldKey, BLS.G2 calldata newKey, BLS.G1 calldata proof) external;

    /// @notice Leave the set from the next epoch on. Reverts with NotOperator, NotAttesting, WrongKey.
    function unregister(uint32 account, BLS.G2 calldata key) external;

    // ---- anyone ----

    /// @notice Record what a member weighs now; one that weighs nothing loses its place. Reverts with NotAttesting,
    /// WrongKey, NothingToRefresh.
    function refresh(uint32 account, BLS.G2 calldata key) external;

    // ---- views ----

    /// @notice The set of the next epoch, if nothing more changes.
    function nextGroup() external view returns (Group memory);

    /// @notice Weight and number of the members of an epoch that has begun: what a quorum is measured against.
    function totalsAt(uint256 epoch) external view returns (uint256 weight, uint256 count);

    /// @notice An operator's membership, its last changes included.
    function memberOf(uint32 operatorId) external view returns (Member memory);

    /// @notice What an attester signs for a digest, under `ATTESTATION_TAG`.
    function attestationMessage(bytes32 digest, uint256 epoch) external view returns (bytes memory);

    /// @notice What proves possession of a key, under `POSSESSION_TAG`.
    function possessionMessage(uint32 account, BLS.G2 calldata key) external view returns (bytes memory);

    /// @notice Domain separation tag of attestations (RFC 9380).
    function ATTESTATION_TAG() external view returns (string memory);
    /// @notice Domain separation tag of proofs of possession: no attestation is ever one.
    function POSSESSION_TAG() external view returns (string memory);
}
