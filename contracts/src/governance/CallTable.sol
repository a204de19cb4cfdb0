// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Category, GovernorSetup, IMLBridgeGovernor} from "../interfaces/IMLBridgeGovernor.sol";

/// @title What a proposal is about, read from what it calls
/// @notice First layer of the governor. A proposal has one subject: its calls are all of one category, or it is of the
/// strictest. So nobody wraps a grant together with something else to have it decided under other terms.
abstract contract CallTable is IMLBridgeGovernor {
    uint256 private constant SELECTOR_SIZE = 4;
    /// @dev Selector, receiver, amount.
    uint256 private constant TRANSFER_SIZE = 68;

    address private immutable _mlb;
    address private immutable _timelockAddress;
    address private immutable _authority;

    /// @dev Category plus one; zero for a call that is not listed.
    mapping(address target => mapping(bytes4 selector => uint8)) private _table;

    /// @inheritdoc IMLBridgeGovernor
    uint256 public tokenGrantLimit;
    /// @inheritdoc IMLBridgeGovernor
    uint256 public coinGrantLimit;

    /// @notice The calls that a deployment's governor knows.
    /// @param setup what the deployment sets
    constructor(GovernorSetup memory setup) {
        _mlb = address(setup.token);
        _timelockAddress = address(setup.timelock);
        _authority = setup.authority;
        if (_mlb == address(0) || _timelockAddress == address(0) || _authority == address(0)) revert ZeroAddress();
        _setGrantLimits(setup.tokenGrantLimit, setup.coinGrantLimit);
    }

    /// @inheritdoc IMLBridgeGovernor
    function listed(address target, bytes4 selector) public view returns (Category) {
        uint8 entry = _table[target][selector];
        return entry == 0 ? Category.Governance : Category(entry - 1);
    }

    /// @inheritdoc IMLBridgeGovernor
    function requiredCategory(address[] memory targets, uint256[] memory values, bytes[] memory calldatas)
        public
        view
        returns (Category required)
    {
        if (targets.length == 0 || targets.length != values.length || targets.length != calldatas.length) {
            revert IGovernor.GovernorInvalidProposalLength(targets.length, calldatas.length, values.length);
        }
        uint256 tokens;
        uint256 coins;
        for (uint256 i; i < targets.length; ++i) {
            Category category;
            if (calldatas[i].length == 0) {
                (category, coins) = (Category.Ecosystem, Math.saturatingAdd(coins, values[i]));
            } else if (_isTokenTransfer(targets[i], values[i], calldatas[i])) {
                (category, tokens) = (Category.Ecosystem, Math.saturatingAdd(tokens, _amountOf(calldatas[i])));
            } else {
                category = _categoryOf(targets[i], values[i], calldatas[i]);
            }
            if (i == 0) required = category;
            else if (category != required) return Category.Governance;
        }
        if (required == Category.Ecosystem && (tokens > tokenGrantLimit || coins > coinGrantLimit)) {
            return Category.Economic;
        }
    }

    // ---- internal ----

    function _list(Listing memory row) internal {
        if (row.target == address(this) || row.target == _timelockAddress || row.target == _authority) {
            revert AlwaysGovernance(row.target);
        }
        _table[row.target][row.selector] = uint8(row.category) + 1;
        emit CallListed(row.target, row.selector, row.category);
    }

    function _setGrantLimits(uint256 tokens, uint256 coins) internal {
        (tokenGrantLimit, coinGrantLimit) = (tokens, coins);
        emit GrantLimitsChanged(tokens, coins);
    }

    /// @dev Coin that travels with a call is no plain transfer, and nothing that is listed needs any.
    function _categoryOf(address target, uint256 value, bytes memory data) private view returns (Category) {
        if (value != 0 || data.length < SELECTOR_SIZE) return Category.Governance;
        return listed(target, bytes4(data));
    }

    function _isTokenTransfer(address target, uint256 value, bytes memory data) private view returns (bool) {
        return target == _mlb && value == 0 && data.length == TRANSFER_SIZE && bytes4(data) == IERC20.transfer.selector;
    }

    function _amountOf(bytes memory transfer) private pure returns (uint256 amount) {
        assembly ("memory-safe") {
            amount := mload(add(transfer, 68)) // length word, selector, receiver
        }
    }
}
