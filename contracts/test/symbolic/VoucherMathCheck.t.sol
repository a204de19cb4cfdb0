// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {VoucherMath} from "../../src/channels/VoucherMath.sol";
import {VM as vm} from "../utils/Vm.sol";

/// @title A voucher pays what was promised, once, and no wei is lost on the way
/// @dev All totals of 96 bits, deposits and balances of 88 bits, as a channel keeps them.
contract VoucherMathCheck {
    uint256 private constant MAX_SHARES = 5_000;

    function check_NeverAboveTheBalanceNorTheRestOfThePromise(uint96 total, uint88 deposited, uint88 balance)
        external
        pure
    {
        vm.assume(balance <= deposited);
        uint256 paid = VoucherMath.due(total, deposited, balance);
        uint256 spent = deposited - balance;
        assert(paid <= balance);
        assert(paid == 0 || spent + paid <= total);
    }

    function check_AllOfThePromiseAsFarAsTheBalanceGoes(uint96 total, uint88 deposited, uint88 balance) external pure {
        vm.assume(balance <= deposited);
        uint256 paid = VoucherMath.due(total, deposited, balance);
        assert(paid == balance || uint256(deposited) - balance + paid >= total);
    }

    function check_AHigherPromiseNeverPaysLess(uint96 low, uint96 high, uint88 deposited, uint88 balance)
        external
        pure
    {
        vm.assume(balance <= deposited && low <= high);
        assert(VoucherMath.due(low, deposited, balance) <= VoucherMath.due(high, deposited, balance));
    }

    function check_TheSameVoucherPaysOnce(uint96 total, uint88 deposited, uint88 balance) external pure {
        vm.assume(balance <= deposited);
        uint256 paid = VoucherMath.due(total, deposited, balance);
        assert(VoucherMath.due(total, deposited, balance - paid) == 0);
    }

    /// @dev As above, with an order of any price settled before the voucher is paid.
    function check_AnOrderSettledBetweenCountsAgainstTheVoucher(
        uint96 total,
        uint88 deposited,
        uint88 balance,
        uint88 price
    ) external pure {
        vm.assume(balance <= deposited && price <= balance);
        uint256 alone = VoucherMath.due(total, deposited, balance);
        uint256 after_ = VoucherMath.due(total, deposited, uint256(balance) - price);
        // Together never less than the promise gave alone, and never twice what both were about.
        assert(after_ <= alone && price + after_ >= alone);
        assert(after_ == 0 || price + after_ == alone);
    }

    /// @dev All amounts of 88 bits and all shares.
    function check_AVoucherIsPartedWhole(uint88 paid, uint16 share) external pure {
        vm.assume(share <= MAX_SHARES / 2);
        (uint256 coordinatorFee, uint256 protocolFee) = VoucherMath.part(paid, share);
        assert(coordinatorFee + protocolFee == paid);
    }

    /// @dev All amounts of 72 bits and all shares.
    function check_WhatWasKeptIsSharedWhole(uint72 kept, uint16 coordinatorShare, uint16 protocolShare) external pure {
        uint256 shares = uint256(coordinatorShare) + protocolShare;
        vm.assume(shares != 0 && shares <= MAX_SHARES);
        (uint256 coordinatorFee, uint256 protocolFee) = VoucherMath.share(kept, coordinatorShare, protocolShare);
        assert(coordinatorFee + protocolFee == kept);
    }
}
