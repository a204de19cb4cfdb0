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
    uint256 private constant MASK = (1 << BITS) - 1;

    function pack(uint256 account, uint256 weight) internal pure returns (uint256) {
        return account | weight << 32;
    }

    function accountOf(uint256 seat) internal pure returns (uint32) {
        return uint32(seat);
    }

    function weightOf(uint256 seat) internal pure returns (uint64) {
        return uint64(seat >> 32);
    }

    function load(uint256[SEAT_SLOTS] storage slots, uint256 count) internal view returns (uint256[] memory seats) {
        seats = new uint256[](count);
        uint256 word;
        for (uint256 i; i < count; ++i) {
            uint256 lane = i % PER_SLOT;
            if (lane == 0) word = slots[i / PER_SLOT];
            seats[i] = (word >> (lane * BITS)) & MASK;
        }
    }

    function store(uint256[SEAT_SLOTS] storage slots, uint256[] memory seats) internal {
        uint256 word;
        for (uint256 i; i < seats.length; ++i) {
            uint256 lane = i % PER_SLOT;
            word |= seats[i] << (lane * BITS);
            if (lane == PER_SLOT - 1 || i + 1 == seats.length) {
                slots[i / PER_SLOT] = word;
                word = 0;
            }
        }
    }

    function clear(uint256[SEAT_SLOTS] storage slots, uint256 count) internal {
        for (uint256 i; i * PER_SLOT < count; ++i) {
            slots[i] = 0;
        }
    }

    /// @notice The seat of an operator, whichever of its accounts holds it.
    /// @return index `count` when it has none
    function find(uint256[SEAT_SLOTS] storage slots, uint256 count, uint256 operatorId)
        internal
        view
        returns (uint256 index, uint32 account)
    {
        uint256 word;
        for (; index < count; ++index) {
            if (index % PER_SLOT == 0) word = slots[index / PER_SLOT];
            account = uint32(word);
            if (account >> 1 == operatorId) return (index, account);
            word >>= BITS;
        }
    }
}
