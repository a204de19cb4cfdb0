// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IAttestationVerifier} from "./interfaces/IAttestationVerifier.sol";
import {IBlsAttestations} from "./interfaces/IBlsAttestations.sol";
import {IEpochBeacon} from "./interfaces/IEpochBeacon.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {BLS} from "./libraries/BLS.sol";

/// @title Aggregate signatures of an attester set
/// @notice One pairing whatever the size of the set: the set's keys are summed when it changes, and who checks a
/// signature subtracts the keys of those who did not sign. It pays from about twenty signers on.
/// @dev Of every epoch's set only a hash is kept; whoever checks brings the set along, as it stood in events.
contract BlsAttestations is IBlsAttestations {
    using Checkpoints for Checkpoints.Trace208;

    bytes32 private constant ATTESTATION_TYPEHASH =
        keccak256("MLBridgeBlsAttestation(uint256 chainId,address verifier,uint256 epoch,bytes32 digest)");
    bytes32 private constant POSSESSION_TYPEHASH =
        keccak256("MLBridgeBlsPossession(uint256 chainId,address verifier,uint32 account,bytes32 keyHash)");

    /// @inheritdoc IBlsAttestations
    string public constant ATTESTATION_TAG = "ML-BRIDGE-V1-ATTESTATION-BLS12381G1_XMD:SHA-256_SSWU_RO_";
    /// @inheritdoc IBlsAttestations
    string public constant POSSESSION_TAG = "ML-BRIDGE-V1-POSSESSION-BLS12381G1_XMD:SHA-256_SSWU_RO_";

    /// @dev Places of a set: the bits of a word.
    uint256 private constant PLACES = 256;
    /// @dev Evidence: signature, group, signers; then account, weight and key of each absentee, highest place first.
    uint256 private constant GROUP_AT = 128;
    uint256 private constant SIGNERS_AT = 480;
    uint256 private constant ABSENT_AT = 512;
    uint256 private constant ABSENT_SIZE = 320;
    uint256 private constant KEY_AT = 64;

    /// @notice Weighs accounts and knows their operators.
    IRewardDistributor public immutable distributor;
    /// @dev Epochs are counted here as the beacon counts them; asking it each time would cost 3,000 gas.
    uint256 private immutable genesis;
    uint256 private immutable epochSeconds;
    /// @notice How many epochs back a set counts. Shorter than the unbonding delay, so that whoever signs still has
    /// something to lose.
    uint256 public immutable maxAge;

    Group private _next;
    /// @dev Both keep hashes cut to 208 bits, so that epoch and hash share a word. To have two preimages of one takes
    /// 2**104 tries, which is in the range of what the curve gives.
    Checkpoints.Trace208 private _groups;
    mapping(uint256 place => Checkpoints.Trace208) private _places;
    /// @dev weight * PLACES * 2 + count.
    Checkpoints.Trace208 private _totals;
    mapping(uint32 operatorId => Member) private _members;

    /// @param distributor_ the RewardDistributor
    /// @param beacon_ the RandomnessBeacon, whose epochs count
    /// @param maxAge_ epochs, together shorter than the unbonding delay
    constructor(address distributor_, address beacon_, uint256 maxAge_) {
        if (distributor_ == address(0) || beacon_ == address(0)) revert ZeroAddress();
        distributor = IRewardDistributor(distributor_);
        genesis = IEpochBeacon(beacon_).genesis();
        epochSeconds = IEpochBeacon(beacon_).epochSeconds();
        if (maxAge_ == 0 || maxAge_ > type(uint32).max) revert BadParameter("maxAge");
        if (maxAge_ * epochSeconds >= distributor.unbondingDelay()) revert BadParameter("maxAge");
        maxAge = maxAge_;
    }

    // ---- the operator's cold address ----

    /// @inheritdoc IBlsAttestations
    function register(uint32 account, BLS.G2 calldata key, BLS.G1 calldata proof) external {
        if (_next.count == PLACES) revert SetFull(PLACES);
        _requireOperator(account);
        uint64 weight = _weightOf(account);
        bytes32 keyHash = _possessed(account, key, proof);
        // The lowest bit that is not set.
        uint256 free = ~_next.members;
        _join(account, weight, Math.log2(free & (~free + 1)), key, keyHash);
    }

    /// @inheritdoc IBlsAttestations
    function displace(
        uint32 account,
        BLS.G2 calldata key,
        BLS.G1 calldata proof,
        uint32 displaced,
        BLS.G2 calldata displacedKey
    ) external {
        if (_next.count != PLACES) revert SetNotFull(_next.count);
        _requireOperator(account);
        uint64 weight = _weightOf(account);
        bytes32 keyHash = _possessed(account, key, proof);
        Member memory member = _memberWith(displaced, displacedKey);
        // By what both weigh now: a record may be out of date either way.
        uint64 lighter = distributor.weightOf(displaced);
        if (weight <= lighter) revert NotHeavier(weight, lighter);
        _remove(member, displacedKey);
        _join(account, weight, member.place, key, keyHash);
    }

    /// @inheritdoc IBlsAttestations
    function rotate(uint32 account, BLS.G2 calldata oldKey, BLS.G2 calldata newKey, BLS.G1 calldata proof) external {
        _requireOperator(account);
        Member memory member = _memberWith(account, oldKey);
        member.keyHash = _possessed(account, newKey, proof);
        _next.key = BLS.add(BLS.subtract(_next.key, oldKey), newKey);
        emit AttesterKeyChanged(account, newKey, _nextEpoch());
        _record(member);
        _recordGroup();
    }

    /// @inheritdoc IBlsAttestations
    function unregister(uint32 account, BLS.G2 calldata key) external {
        _requireOperator(account);
        _remove(_memberWith(account, key), key);
        _recordGroup();
    }

    // ---- anyone ----

    /// @inheritdoc IBlsAttestations
    function refresh(uint32 account, BLS.G2 calldata key) external {
        Member memory member = _memberWith(account, key);
        uint64 weight = distributor.weightOf(account);
        if (weight == member.weight) revert NothingToRefresh(account);
        if (weight == 0) {
            _remove(member, key);
        } else {
            _next.weight = _next.weight - member.weight + weight;
            member.weight = weight;
            emit AttesterWeightChanged(account, weight, _nextEpoch());
            _record(member);
        }
        _recordGroup();
    }

    // ---- views ----

    /// @inheritdoc IAttestationVerifier
    /// @param evidence signature (128 bytes), group (abi.encode of Group, 352), signers (bits, 32), then for each member
    /// that did not sign, highest place first: account (32), weight (32), key (256)
    function verify(bytes32 digest, uint256 epoch, bytes calldata evidence)
        external
        view
        returns (uint256 weight, uint256 signers)
    {
        uint256 current = _epochNow();
        if (epoch > current) revert EpochNotBegun(epoch, current);
        if (epoch + maxAge < current) revert EpochTooOld(epoch, current - maxAge);
        if (evidence.length < ABSENT_AT || (evidence.length - ABSENT_AT) % ABSENT_SIZE != 0) {
            revert MalformedEvidence(evidence.length);
        }
        bytes calldata encoded = evidence[GROUP_AT:SIGNERS_AT];
        if (_groups.upperLookupRecent(uint48(epoch)) != _cut(keccak256(encoded))) revert WrongGroup(epoch);
        Group memory group = abi.decode(encoded, (Group));
        _subtractAbsent(group, epoch, uint256(bytes32(evidence[SIGNERS_AT:ABSENT_AT])), evidence[ABSENT_AT:]);
        BLS.G1 memory signature = abi.decode(evidence[:GROUP_AT], (BLS.G1));
        if (!BLS.isSigned(signature, group.key, attestationMessage(digest, epoch), bytes(ATTESTATION_TAG))) {
            revert AggregateMismatch(digest, epoch);
        }
        return (group.weight, group.count);
    }

    /// @inheritdoc IBlsAttestations
    function nextGroup() external view returns (Group memory) {
        return _next;
    }

    /// @inheritdoc IBlsAttestations
    function totalsAt(uint256 epoch) external view returns (uint256 weight, uint256 count) {
        uint256 current = _epochNow();
        if (epoch > current) revert EpochNotBegun(epoch, current);
        uint256 totals = _totals.upperLookupRecent(uint48(epoch));
        return (totals / (2 * PLACES), totals % (2 * PLACES));
    }

    /// @inheritdoc IBlsAttestations
    function memberOf(uint32 operatorId) external view returns (Member memory) {
        return _members[operatorId];
    }

    /// @inheritdoc IBlsAttestations
    function attestationMessage(bytes32 digest, uint256 epoch) public view returns (bytes memory) {
        return abi.encode(ATTESTATION_TYPEHASH, block.chainid, address(this), epoch, digest);
    }

    /// @inheritdoc IBlsAttestations
    function possessionMessage(uint32 account, BLS.G2 calldata key) external view returns (bytes memory) {
        return _possessionMessage(account, _keyHash(key));
    }

    // ---- internal: checking ----

    /// @dev What is left of the group without the members that did not sign, in place.
    function _subtractAbsent(Group memory group, uint256 epoch, uint256 signers, bytes calldata absentees)
        private
        view
    {
        uint256 missing = group.members & ~signers;
        if (signers == 0) revert NoSigners();
        if (signers & ~group.members != 0) revert UnknownSigners(signers & ~group.members);

        uint256 named = absentees.length / ABSENT_SIZE;
        BLS.G2 memory sum;
        uint256 i;
        for (; missing != 0 && i < named; ++i) {
            uint256 place = Math.log2(missing);
            missing ^= 1 << place;
            (uint256 weight, BLS.G2 memory key) =
                _absentee(absentees[i * ABSENT_SIZE:(i + 1) * ABSENT_SIZE], epoch, place);
            sum = i == 0 ? key : BLS.add(sum, key);
            group.weight -= weight;
        }
        if (missing != 0 || i != named) revert WrongAbsentees(named, i + _ones(missing));
        if (named != 0) {
            group.count -= named;
            group.key = BLS.subtract(group.key, sum);
        }
        // Members whose keys cancel out would accept a signature by nobody.
        if (BLS.isInfinity(group.key)) revert NoSigners();
    }

    /// @dev What the evidence says of a member, if that is what was recorded.
    function _absentee(bytes calldata encoded, uint256 epoch, uint256 place)
        private
        view
        returns (uint256 weight, BLS.G2 memory key)
    {
        uint256 account;
        (account, weight, key) = abi.decode(encoded, (uint256, uint256, BLS.G2));
        uint208 found = _hashOf(account, weight, keccak256(encoded[KEY_AT:]));
        if (_places[place].upperLookupRecent(uint48(epoch)) != found) revert WrongMember(place);
    }

    function _requireOperator(uint32 account) private view {
        if (distributor.accounts(account).operator != msg.sender) revert NotOperator(account, msg.sender);
    }

    function _weightOf(uint32 account) private view returns (uint64 weight) {
        weight = distributor.weightOf(account);
        if (weight == 0) revert NoWeight(account);
    }

    /// @dev Without a proof a newcomer could register the difference between a key of its own and everybody else's sum,
    /// and sign for all. The pairing also proves that the key is in the subgroup.
    function _possessed(uint32 account, BLS.G2 calldata key, BLS.G1 calldata proof)
        private
        view
        returns (bytes32 keyHash)
    {
        if (BLS.isInfinity(key)) revert KeyAtInfinity();
        keyHash = _keyHash(key);
        if (!BLS.isSigned(proof, key, _possessionMessage(account, keyHash), bytes(POSSESSION_TAG))) {
            revert NotPossessed(account);
        }
    }

    function _memberWith(uint32 account, BLS.G2 calldata key) private view returns (Member memory member) {
        member = _members[account >> 1];
        if (account == 0 || member.account != account) revert NotAttesting(account);
        if (member.keyHash != _keyHash(key)) revert WrongKey(account);
    }

    // ---- internal: changing ----

    function _join(uint32 account, uint64 weight, uint256 place, BLS.G2 calldata key, bytes32 keyHash) private {
        if (_members[account >> 1].account != 0) revert AlreadyAttesting(_members[account >> 1].account);
        _next.key = BLS.add(_next.key, key);
        _next.weight += weight;
        ++_next.count;
        _next.members |= 1 << place;
        emit AttesterJoined(account, uint8(place), weight, key, _nextEpoch());
        _record(Member(account, weight, uint8(place), keyHash));
        _recordGroup();
    }

    /// @dev The caller records the group.
    function _remove(Member memory member, BLS.G2 calldata key) private {
        _next.key = BLS.subtract(_next.key, key);
        _next.weight -= member.weight;
        --_next.count;
        _next.members &= ~(1 << member.place);
        delete _members[member.account >> 1];
        _places[member.place].push(uint48(_nextEpoch()), 0);
        emit AttesterLeft(member.account, member.place, _nextEpoch());
    }

    function _record(Member memory member) private {
        _members[member.account >> 1] = member;
        uint208 hash = _hashOf(member.account, member.weight, member.keyHash);
        _places[member.place].push(uint48(_nextEpoch()), hash);
    }

    function _recordGroup() private {
        uint48 epoch = uint48(_nextEpoch());
        Group memory group = _next;
        _groups.push(epoch, _cut(keccak256(abi.encode(group))));
        // 256 weights below 2**64 and a number up to 256 fit 208 bits easily.
        _totals.push(epoch, uint208(group.weight * 2 * PLACES + group.count));
        emit GroupChanged(epoch, group);
    }

    function _epochNow() private view returns (uint256) {
        return (block.timestamp - genesis) / epochSeconds + 1;
    }

    function _nextEpoch() private view returns (uint256) {
        return _epochNow() + 1;
    }

    // ---- internal: pure ----

    function _possessionMessage(uint32 account, bytes32 keyHash) private view returns (bytes memory) {
        return abi.encode(POSSESSION_TYPEHASH, block.chainid, address(this), account, keyHash);
    }

    function _keyHash(BLS.G2 memory key) private pure returns (bytes32) {
        return keccak256(abi.encode(key));
    }

    function _hashOf(uint256 account, uint256 weight, bytes32 keyHash) private pure returns (uint208) {
        return _cut(keccak256(abi.encode(account, weight, keyHash)));
    }

    function _cut(bytes32 hash) private pure returns (uint208) {
        return uint208(uint256(hash));
    }

    function _ones(uint256 word) private pure returns (uint256 count) {
        for (; word != 0; word &= word - 1) {
            ++count;
        }
    }
}
