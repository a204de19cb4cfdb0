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

    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice The value for `name` is not allowed.
    /// @param name which value
    error BadParameter(string name);
    /// @notice `caller` may not act for this account.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param caller who called
    error NotOperator(uint32 account, address caller);
    /// @notice The account weighs nothing: unknown, jailed, or below the minimum stake.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NoWeight(uint32 account);
    /// @notice Account `account` of this operator attests already.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error AlreadyAttesting(uint32 account);
    /// @notice Account `account` is not in the attester set.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotAttesting(uint32 account);
    /// @notice The attester set has all of its `members` members.
    /// @param members members of the set
    error SetFull(uint256 members);
    /// @notice There is a free place, so nobody has to go for a newcomer.
    /// @param members how many members there are
    error SetNotFull(uint256 members);
    /// @notice A newcomer must weigh more than whom it displaces.
    /// @param weight stake (whole MLB) x reputation (basis points)
    /// @param displaced account that gives up its place
    error NotHeavier(uint256 weight, uint256 displaced);
    /// @notice The key is not the member's.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error WrongKey(uint32 account);
    /// @notice The point at infinity is no key.
    error KeyAtInfinity();
    /// @notice The key was not proven to be in its holder's possession.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotPossessed(uint32 account);
    /// @notice Nothing recorded for `account` differs from its stake.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NothingToRefresh(uint32 account);
    /// @notice Epoch `epoch` has not begun; epoch `current` runs now.
    /// @param epoch number of the epoch
    /// @param current what holds now
    error EpochNotBegun(uint256 epoch, uint256 current);
    /// @notice Attestations for epoch `epoch` no longer count; the oldest epoch that does is `oldest`.
    /// @param epoch number of the epoch
    /// @param oldest the oldest that still counts
    error EpochTooOld(uint256 epoch, uint256 oldest);
    /// @notice The evidence has `length` bytes, which is no possible length.
    /// @param length bytes given
    error MalformedEvidence(uint256 length);
    /// @notice The group in the evidence is not that of the epoch.
    /// @param epoch number of the epoch
    error WrongGroup(uint256 epoch);
    /// @notice The absent member in the evidence is not the one in that place.
    /// @param place number of the member's place in the group
    error WrongMember(uint256 place);
    /// @notice Nobody signed, or the signers' keys cancel out.
    error NoSigners();
    /// @notice Bits are set for places that nobody holds.
    /// @param places bits of the places
    error UnknownSigners(uint256 places);
    /// @notice The evidence names more or fewer absent members than are missing among the signers.
    /// @param named members that the evidence names
    /// @param missing members that did not sign
    error WrongAbsentees(uint256 named, uint256 missing);
    /// @notice The signature is not that of the named signers, all of them, on the digest for the epoch.
    /// @param digest what was attested: hash of task and result
    /// @param epoch number of the epoch
    error AggregateMismatch(bytes32 digest, uint256 epoch);

    /// @notice An account became a member of the attester set.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param place number of the member's place in the group
    /// @param weight stake (whole MLB) x reputation (basis points)
    /// @param key BLS public key, a point of G2
    /// @param fromEpoch first epoch for which it holds
    event AttesterJoined(uint32 indexed account, uint8 place, uint64 weight, BLS.G2 key, uint256 fromEpoch);
    /// @notice A member left the attester set.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param place number of the member's place in the group
    /// @param fromEpoch first epoch for which it holds
    event AttesterLeft(uint32 indexed account, uint8 place, uint256 fromEpoch);
    /// @notice A member signs with another key.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param key BLS public key, a point of G2
    /// @param fromEpoch first epoch for which it holds
    event AttesterKeyChanged(uint32 indexed account, BLS.G2 key, uint256 fromEpoch);
    /// @notice A member's weight was brought up to date.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param weight stake (whole MLB) x reputation (basis points)
    /// @param fromEpoch first epoch for which it holds
    event AttesterWeightChanged(uint32 indexed account, uint64 weight, uint256 fromEpoch);
    /// @notice The set from an epoch on. Of several for one epoch the last counts.
    /// @param fromEpoch first epoch for which it holds
    /// @param group hash of the attester group
    event GroupChanged(uint256 indexed fromEpoch, Group group);

    // ---- the operator's cold address ----

    /// @notice Join the set from the next epoch on. Reverts with NotOperator, NoWeight, AlreadyAttesting, SetFull,
    /// KeyAtInfinity, NotPossessed.
    /// @param account one of the caller's; an operator attests with one account
    /// @param proof signature by `key` of `possessionMessage(account, key)`
    /// @param key BLS public key, a point of G2
    function register(uint32 account, BLS.G2 calldata key, BLS.G1 calldata proof) external;

    /// @notice As `register`, in the place of a member of a full set that weighs less now. Reverts with SetNotFull,
    /// NotHeavier, NotAttesting, WrongKey too.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param key BLS public key, a point of G2
    /// @param proof what proves it
    /// @param displaced account that gives up its place
    /// @param displacedKey its present key
    function displace(
        uint32 account,
        BLS.G2 calldata key,
        BLS.G1 calldata proof,
        uint32 displaced,
        BLS.G2 calldata displacedKey
    ) external;

    /// @notice Change the key from the next epoch on. Signatures by the old one still count for epochs before. Reverts
    /// with NotOperator, NotAttesting, WrongKey, KeyAtInfinity, NotPossessed.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param oldKey present BLS public key
    /// @param newKey BLS public key from now on
    /// @param proof what proves it
    function rotate(uint32 account, BLS.G2 calldata oldKey, BLS.G2 calldata newKey, BLS.G1 calldata proof) external;

    /// @notice Leave the set from the next epoch on. Reverts with NotOperator, NotAttesting, WrongKey.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param key BLS public key, a point of G2
    function unregister(uint32 account, BLS.G2 calldata key) external;

    // ---- anyone ----

    /// @notice Record what a member weighs now; one that weighs nothing loses its place. Reverts with NotAttesting,
    /// WrongKey, NothingToRefresh.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param key BLS public key, a point of G2
    function refresh(uint32 account, BLS.G2 calldata key) external;

    // ---- views ----

    /// @notice The set of the next epoch, if nothing more changes.
    function nextGroup() external view returns (Group memory);

    /// @notice Weight and number of the members of an epoch that has begun: what a quorum is measured against.
    /// @param epoch number of the epoch
    /// @return weight their summed weight
    /// @return count how many
    function totalsAt(uint256 epoch) external view returns (uint256 weight, uint256 count);

    /// @notice An operator's membership, its last changes included.
    /// @param operatorId number of the operator
    function memberOf(uint32 operatorId) external view returns (Member memory);

    /// @notice What an attester signs for a digest, under `ATTESTATION_TAG`.
    /// @param digest what was attested: hash of task and result
    /// @param epoch number of the epoch
    function attestationMessage(bytes32 digest, uint256 epoch) external view returns (bytes memory);

    /// @notice What proves possession of a key, under `POSSESSION_TAG`.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param key BLS public key, a point of G2
    function possessionMessage(uint32 account, BLS.G2 calldata key) external view returns (bytes memory);

    /// @notice Domain separation tag of attestations (RFC 9380).
    function ATTESTATION_TAG() external view returns (string memory);
    /// @notice Domain separation tag of proofs of possession: no attestation is ever one.
    function POSSESSION_TAG() external view returns (string memory);
}
