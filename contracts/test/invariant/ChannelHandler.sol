// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {BatchCrowd} from "./BatchCrowd.sol";

/// @title Everybody in the channel lane: which of them acts, and what always holds
contract ChannelHandler is BatchCrowd {
    uint256 private clock;

    function setUp() public override {
        super.setUp();
        vm.deal(stranger, 10_000 ether);
        clock = vm.getBlockTimestamp();
    }

    // ---- the one entry ----

    function act(uint256 number) external {
        // forge may forget the time between calls.
        vm.warp(clock);
        beacon.draw();
        uint256 choice = number % 100;
        uint256 dice = uint256(keccak256(abi.encode(number)));
        if (choice < 17) _settle(dice);
        else if (choice < 37) _post(dice);
        else if (choice < 46) _watch(dice);
        else if (choice < 53) _demand(dice);
        else if (choice < 57) _answerOne(dice);
        else if (choice < 66) _voucher(dice);
        else if (choice < 76) _finish(dice);
        else if (choice < 83) _reopened(dice);
        else if (choice < 89) _close(dice);
        else if (choice < 90) _contradict(dice);
        else if (choice < 94) _topUp(dice);
        else _move((dice >> 8) % (dice % 5 == 0 ? CLOSING : 700));
        check();
        clock = vm.getBlockTimestamp();
    }

    // ---- what always holds ----

    function check() public view {
        _checkChannels();
        uint256 pots;
        for (uint256 k; k < live.length; ++k) {
            ISettlement.Batch memory now_ = settlement.batches(posted[live[k]].id);
            assertEq(now_.demands, posted[live[k]].demands, "open demands");
            pots += now_.pot;
        }
        uint256 held;
        for (uint256 i; i < lines.length; ++i) {
            held += lines[i].held;
        }
        assertEq(pots, held, "pots");
        (uint256 amount,) = settlement.bonds(coordinator);
        assertEq(amount, bond, "the coordinator paid for each lie, once");
        uint256 owed = settlement.withdrawable(stranger) + settlement.withdrawable(treasury);
        owed += settlement.withdrawable(coordinator) + asked_.length * DEMAND;
        assertEq(address(settlement).balance, owed + bond, "bonds");
    }

    /// @notice The end: whatever waits is finished, everybody is paid, and no wei stays behind.
    function drain() external {
        vm.warp(clock);
        beacon.draw();
        while (live.length != 0) {
            Posted storage one = posted[live[0]];
            if (one.lie == Lie.None || one.shown) _finish(0);
            else _show(live[0]);
            _move(ANSWER + 1);
        }
        for (uint256 i; i < lines.length; ++i) {
            _turn(i);
            if (channels.channels(channel).closesAt == 0) _startClose();
        }
        _move(CLOSING + SETTLE);
        for (uint256 i; i < lines.length; ++i) {
            _finishClose(_turn(i));
        }
        check();
        assertEq(ledger.laneFunds(), 0, "funds of the lane left over");
        _payOut();
    }

    function _payOut() private {
        if (ledger.protocolFees() != 0) {
            vm.prank(governor);
            ledger.assignProtocolFees(treasury);
        }
        address[5] memory parties =
            [provider, coordinator, treasury, lines[0].terms.requester, lines[1].terms.requester];
        for (uint256 i; i < 5 + pool.length; ++i) {
            address who = i < 5 ? parties[i] : operatorOf(pool[i - 5]);
            if (ledger.claimable(who) != 0) ledger.claim(who);
        }
        assertEq(address(bridge).balance, 0, "wei left over");
        (uint256 amount,) = settlement.bonds(coordinator);
        vm.prank(coordinator);
        settlement.withdrawBond(amount);
        address[3] memory others = [stranger, treasury, coordinator];
        for (uint256 i; i < 3; ++i) {
            if (settlement.withdrawable(others[i]) == 0) continue;
            vm.prank(others[i]);
            settlement.withdraw();
        }
        assertEq(address(settlement).balance, 0, "bonds left over");
    }
}
