// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Policy} from "../interfaces/Types.sol";

/// @dev All that an order for a model reads and writes, in one word: a struct's members would be stored one after the
/// other. From the low end: ordered 24 (signed), epoch 32, multiple 32, providers 24, price 96, index 32, policy 8, halts 8.
type Facts is uint256;

using FactsWord for Facts global;

/// @title Fields of `Facts`
/// @dev Setters do not check: callers guarantee that values fit.
library FactsWord {
    uint256 private constant EPOCH = 24;
    uint256 private constant MULTIPLE = 56;
    uint256 private constant PROVIDERS = 88;
    uint256 private constant PRICE = 112;
    uint256 private constant INDEX = 208;
    uint256 private constant POLICY = 240;
    uint256 private constant HALTS = 248;

    uint256 internal constant MAX_PROVIDERS = type(uint24).max;

    /// @notice A new model: active, at its provider's own price, never ordered.
    function make(uint32 index_, uint96 price_, Policy policy_, uint32 multiple_) internal pure returns (Facts) {
        return Facts.wrap(
            uint256(multiple_) << MULTIPLE | uint256(price_) << PRICE | uint256(index_) << INDEX | uint256(policy_)
                << POLICY
        );
    }

    /// @notice Position in the registry, from 1; 0 for no model.
    function index(Facts f) internal pure returns (uint32) {
        return uint32(Facts.unwrap(f) >> INDEX);
    }

    /// @notice The provider's own price, in wei.
    function price(Facts f) internal pure returns (uint96) {
        return uint96(Facts.unwrap(f) >> PRICE);
    }

    function withPrice(Facts f, uint96 price_) internal pure returns (Facts) {
        return Facts.wrap(Facts.unwrap(f) & ~(uint256(type(uint96).max) << PRICE) | uint256(price_) << PRICE);
    }

    function policy(Facts f) internal pure returns (Policy) {
        return Policy(uint8(Facts.unwrap(f) >> POLICY));
    }

    /// @notice Reasons why the model takes no tasks, one bit each; 0 for none.
    function halts(Facts f) internal pure returns (uint256) {
        return Facts.unwrap(f) >> HALTS;
    }

    /// @notice One reason more, or one less.
    function toggled(Facts f, uint256 halt) internal pure returns (Facts) {
        return Facts.wrap(Facts.unwrap(f) ^ halt << HALTS);
    }

    /// @notice The price over the provider's own, in millionths, in the epoch of the last order.
    function multiple(Facts f) internal pure returns (uint256) {
        return uint32(Facts.unwrap(f) >> MULTIPLE);
    }

    /// @notice The epoch of the last order.
    function epoch(Facts f) internal pure returns (uint256) {
        return uint32(Facts.unwrap(f) >> EPOCH);
    }

    /// @notice Seats ordered less seats cancelled in that epoch.
    function ordered(Facts f) internal pure returns (int256) {
        return int24(uint24(Facts.unwrap(f)));
    }

    function withOrdered(Facts f, int256 ordered_) internal pure returns (Facts) {
        return Facts.wrap(Facts.unwrap(f) >> EPOCH << EPOCH | uint24(int24(ordered_)));
    }

    /// @notice In another epoch, with another multiple and nothing ordered yet.
    function moved(Facts f, uint256 epoch_, uint256 multiple_) internal pure returns (Facts) {
        return Facts.wrap(Facts.unwrap(f) >> PROVIDERS << PROVIDERS | multiple_ << MULTIPLE | epoch_ << EPOCH);
    }

    /// @notice Accounts that could be drawn at the last order.
    function providers(Facts f) internal pure returns (uint256) {
        return uint24(Facts.unwrap(f) >> PROVIDERS);
    }

    function withProviders(Facts f, uint256 providers_) internal pure returns (Facts) {
        return Facts.wrap(Facts.unwrap(f) & ~(MAX_PROVIDERS << PROVIDERS) | providers_ << PROVIDERS);
    }
}
