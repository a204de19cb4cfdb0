// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {Memory} from "@openzeppelin/contracts/utils/Memory.sol";

import {IRandomnessSource} from "../interfaces/IRandomnessSource.sol";

/// @title RANDAO of the beacon chain, proven from block headers
/// @notice The value is what RANDAO held after the first block at or after a fixed time. It stands in the header of that
/// block's child, whose hash the chain remembers for 8,191 blocks (EIP-2935); the parent hashes in it prove the two
/// headers before, and these that no earlier block reached the time.
/// @dev Nobody picks by waiting: the time is divided into windows. In each window one block counts, the first at or
/// after the window's own beginning. A value that went unproven dies with its window, and when it dies the block that
/// counts next has not been made yet. Not for Arbitrum or the OP stack: see docs/design/randomness.md.
contract PrevrandaoSource is IRandomnessSource {
    using BlockHeader for Memory.Slice[];

    uint256 private constant LONGEST_DELAY = 1 hours;
    uint256 private constant LONGEST_WINDOW = 7 days;
    /// @dev A header of today is a list of 256 to 65,535 bytes: one byte to say so, and two of length.
    bytes1 private constant LIST_OF_TWO_BYTES = 0xf9;
    uint256 private constant PREFIX_SIZE = 3;

    /// @notice Seconds between a time and the first block that may serve it. The proposers of consecutive slots can see
    /// that many seconds of RANDAO ahead of others.
    uint256 public immutable delay;
    /// @notice Seconds for which a block can be proven. Shorter than 8,191 blocks, so that its hash is still known.
    uint256 public immutable window;

    /// @notice The value for `name` is not allowed.
    /// @param name which value
    error BadParameter(string name);
    /// @notice The proof is not three headers one after another.
    /// @param position byte at which it breaks off
    error MalformedProof(uint256 position);
    /// @notice The chain does not know the hash of this block: too old, or not made yet.
    /// @param number number of the block
    error BlockUnknown(uint256 number);
    /// @notice The first header is not that of the block whose number it names.
    /// @param number number of the block
    error ForgedHeader(uint256 number);
    /// @notice A header is not the parent of the one before it.
    /// @param expected what was to be given
    /// @param found what the tally says
    error NotParent(bytes32 expected, bytes32 found);
    /// @notice The second header is not that of the first block at or after `target`.
    /// @param target contract that is called
    /// @param timestamp unix seconds of the block
    /// @param timestampBefore unix seconds of its parent
    error WrongBlock(uint256 target, uint256 timestamp, uint256 timestampBefore);
    /// @notice The chain's headers carry no RANDAO.
    error NoRandao();

    /// @param delay_ at most an hour
    /// @param window_ at most 7 days; on a chain with a block every 12 seconds a day is 7,200 of the 8,191 blocks
    constructor(uint256 delay_, uint256 window_) {
        if (delay_ > LONGEST_DELAY) revert BadParameter("delay");
        if (window_ == 0 || window_ > LONGEST_WINDOW) revert BadParameter("window");
        delay = delay_;
        window = window_;
    }

    /// @inheritdoc IRandomnessSource
    function readyAt(uint256 from) public view returns (uint256) {
        return from + delay;
    }

    /// @notice The time that counts now for `from`: the beginning of the current window.
    /// @return unix seconds
    /// @param from unix seconds
    function targetOf(uint256 from) public view returns (uint256) {
        uint256 first = readyAt(from);
        if (block.timestamp < first) return first;
        // Down to the beginning of the window: every second of one has the same target.
        // slither-disable-next-line divide-before-multiply
        return first + (block.timestamp - first) / window * window;
    }

    /// @inheritdoc IRandomnessSource
    /// @param proof RLP of three headers, one after another: the child's, the block's, its parent's
    function valueOf(uint256 from, bytes calldata proof) external view returns (bytes32) {
        (bytes memory child, uint256 next) = _take(proof, 0);
        Memory.Slice[] memory fields = BlockHeader.parseHeader(child);
        _requireKnown(fields.getNumber(), keccak256(child));
        if (fields.getDifficulty() != 0) revert NoRandao();

        bytes memory header;
        (header, next) = _take(proof, next);
        _requireHash(header, fields.getParentHash());
        Memory.Slice[] memory parentFields = BlockHeader.parseHeader(header);
        uint256 timestamp = parentFields.getTimestamp();

        (header, next) = _take(proof, next);
        if (next != proof.length) revert MalformedProof(next);
        _requireHash(header, parentFields.getParentHash());
        uint256 before = BlockHeader.getTimestamp(header);

        uint256 target = targetOf(from);
        if (timestamp < target || before >= target) revert WrongBlock(target, timestamp, before);
        return fields.getPrevRandao();
    }

    function _requireKnown(uint256 number, bytes32 found) private view {
        bytes32 known = Blockhash.blockHash(number);
        if (known == 0) revert BlockUnknown(number);
        if (known != found) revert ForgedHeader(number);
    }

    function _requireHash(bytes memory header, bytes32 expected) private pure {
        if (keccak256(header) != expected) revert NotParent(expected, keccak256(header));
    }

    /// @dev The header that begins at `position`, and where it ends.
    function _take(bytes calldata proof, uint256 position) private pure returns (bytes memory header, uint256 end) {
        if (proof.length < position + PREFIX_SIZE || proof[position] != LIST_OF_TWO_BYTES) {
            revert MalformedProof(position);
        }
        end = position + PREFIX_SIZE + uint16(bytes2(proof[position + 1:position + PREFIX_SIZE]));
        if (proof.length < end) revert MalformedProof(position);
        header = proof[position:end];
    }
}
