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
            for (uint256 i; i < count; ++i) {
                if (i % PER_SLOT == 0) word = slots[i / PER_SLOT];
                accounts[i] = uint32(word);
                weights[i] = uint64(word >> 32 & WEIGHT_MASK);
                word >>= BITS;
            }
        }
    }

    /// @param flags bits above the first three seats
    function store(uint256[SEAT_SLOTS] storage slots, uint32[] memory accounts, uint64[] memory weights, uint256 flags)
        internal
    {
        unchecked {
            uint256 count = accounts.length;
            uint256 word = flags;
            uint256 shift;
            for (uint256 i; i < count; ++i) {
                word |= (uint256(accounts[i]) | uint256(weights[i]) << 32) << shift;
                shift += BITS;
                if (shift == PER_SLOT * BITS || i + 1 == count) {
                    slots[i / PER_SLOT] = word;
                    (word, shift) = (0, 0);
                }
            }
        }
    }

    function clear(uint256[SEAT_SLOTS] storage slots, uint256 count) internal {
        for (uint256 slot; slot * PER_SLOT < count; ++slot) {
            slots[slot] = 0;
        }
    }

    /// @notice The seat of an operator, whichever of its accounts holds it.
    /// @return index `count` when it has none
    function find(uint256[SEAT_SLOTS] storage slots, uint256 count, uint256 operatorId)
        internal
        view
        returns (uint256 index, uint32 account)
    {
        unchecked {
            uint256 word;
            for (; index < count; ++index) {
                if (index % PER_SLOT == 0) word = slots[index / PER_SLOT];
                account = uint32(word);
                if (account >> 1 == operatorId) return (index, account);
                word >>= BITS;
            }
        }
    }
}
