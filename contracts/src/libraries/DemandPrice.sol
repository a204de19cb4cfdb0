// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title How a model's price moves with demand
/// @notice A price is the provider's own price times a multiple of at least one. Over an epoch the multiple moves by the
/// part by which the seats ordered differ from the seats that its providers are meant to fill, at most by an eighth up or
/// down: between one and the ceiling. An epoch without orders takes an eighth off.
/// @dev Multiples are in millionths. Steps and prices are rounded down, and a price is never below the provider's own.
library DemandPrice {
    uint256 internal constant ONE = 1_000_000;
    uint256 private constant STEP_DIVISOR = 8;

    /// @notice The multiple after an epoch.
    /// @param multiple during the epoch
    /// @param demand seats ordered less seats cancelled; below zero counts as none
    /// @param capacity seats that would leave the multiple as it is; 0 leaves it too
    /// @param ceiling highest multiple
    function next(uint256 multiple, int256 demand, uint256 capacity, uint256 ceiling) internal pure returns (uint256) {
        uint256 ordered = demand > 0 ? uint256(demand) : 0;
        if (capacity == 0) return within(multiple, ceiling);
        if (ordered <= capacity) {
            return within(multiple - multiple * (capacity - ordered) / (capacity * STEP_DIVISOR), ceiling);
        }
        uint256 excess = ordered - capacity;
        if (excess > capacity) excess = capacity;
        return within(multiple + multiple * excess / (capacity * STEP_DIVISOR), ceiling);
    }

    /// @notice The multiple after `epochs` without an order.
    /// @dev Seven eighths of a multiple above one come to one within 35 turns even from a hundred, so the number of epochs
    /// does not matter.
    function decayed(uint256 multiple, uint256 epochs) internal pure returns (uint256) {
        for (; epochs != 0 && multiple > ONE; --epochs) {
            multiple -= multiple / STEP_DIVISOR;
        }
        return multiple < ONE ? ONE : multiple;
    }

    /// @notice Wei for a task.
    /// @param floor the provider's own price; below 2**96
    function price(uint256 floor, uint256 multiple) internal pure returns (uint96) {
        uint256 moved = floor * multiple / ONE;
        return moved > type(uint96).max ? type(uint96).max : uint96(moved);
    }

    /// @dev The floor wins over a ceiling below it.
    function within(uint256 multiple, uint256 ceiling) private pure returns (uint256) {
        if (multiple > ceiling) multiple = ceiling;
        return multiple < ONE ? ONE : multiple;
    }
}
