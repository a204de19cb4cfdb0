// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev Most seats of a round, and the slots that hold them.
uint256 constant MAX_SEATS = 15;
uint256 constant SEAT_SLOTS = 5;

/// @title Three seats in a storage slot
/// @notice A packed seat is account (32 bits) | weight (48 bits) << 32.
library SeatPacking {
    uint256 private constant PER_SLOT = 3;
    uint256 private constant BITS = 80;
    uint256 private constant WEIGHT_MASK = (1 << 48) - 1;

    function load(uint256[SEAT_SLOTS] storage slots, uint256 count)
        internal
        view
        returns (uint32[] memory accounts, uint64[] memory weights)
    {
        accounts = new uint32[](count);
        weights = new uint64[](count);
        unchecked {
            uint256 word;
            uint256 slot;
            uint256 offset = 32;
            for (uint256 end = offset + 32 * count; offset != end; offset += 32) {
                if (slot * PER_SLOT * 32 + 32 == offset) word = slots[slot++];
                uint256 weight = word >> 32 & WEIGHT_MASK;
                assembly ("memory-safe") {
                    mstore(add(accounts, offset), and(word, 0xffffffff))
                    mstore(add(weights, offset), weight)
                }
                word >>= BITS;
            }
        }
    }

    /// @dev In memory an array of narrow integers lies as one of words does.
    function asWords(uint64[] memory narrow) internal pure returns (uint256[] memory words) {
        assembly ("memory-safe") {
            words := narrow
        }
    }

    /// @param weights as many as accounts
    /// @param extra 16 bits beside the first three seats
    function store(uint256[SEAT_SLOTS] storage slots, uint32[] memory accounts, uint64[] memory weights, uint256 extra)
        internal
    {
        unchecked {
            uint256 slot;
            uint256 shift;
            uint256 word = extra << (PER_SLOT * BITS);
            uint256 end = 32 + 32 * accounts.length;
            for (uint256 offset = 32; offset != end; offset += 32) {
                assembly ("memory-safe") {
                    let seat := or(mload(add(accounts, offset)), shl(32, mload(add(weights, offset))))
                    word := or(word, shl(shift, seat))
                }
                shift += BITS;
                if (shift == PER_SLOT * BITS || offset + 32 == end) {
                    slots[slot++] = word;
                    (word, shift) = (0, 0);
                }
            }
        }
    }

    /// @notice The 16 bits beside the first three seats.
    function extraOf(uint256[SEAT_SLOTS] storage slots) internal view returns (uint256) {
        return slots[0] >> (PER_SLOT * BITS);
    }

    function clear(uint256[SEAT_SLOTS] storage slots, uint256 count) internal {
        for (uint256 slot; slot * PER_SLOT < count; ++slot) {
            slots[slot] = 0;
        }
    }

    /// @notice The seat of an operator, whichever of its accounts holds it.
    /// @param operatorId not 0, which empty seats have
    /// @return index `count` when it has none
    function find(uint256[SEAT_SLOTS] storage slots, uint256 count, uint256 operatorId)
        internal
        view
        returns (uint256 index, uint32 account)
    {
        unchecked {
            for (uint256 slot; index < count; ++slot) {
                uint256 word = slots[slot];
                for (uint256 end = index + PER_SLOT; index < end; ++index) {
                    account = uint32(word);
                    if (account >> 1 == operatorId) return (index, account);
                    word >>= BITS;
                }
            }
            return (count, 0);
        }
    }
}
