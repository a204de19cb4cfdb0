// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {IRewardPool} from "../src/interfaces/IRewardPool.sol";
import {TaskStatus} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

/// @title One person as requester, model provider, every compute provider and keeper
/// @notice The best case for whoever farms rewards with tasks of its own: no wei goes to anybody else but the protocol.
contract SelfTradingTest is BaseTest {
    address[] private hands;

    function setUp() public override {
        super.setUp();
        addPool(3, 0);
        hands.push(requester);
        hands.push(provider);
        hands.push(keeper);
        for (uint256 i; i < 3; ++i) {
            hands.push(operators[i].cold);
        }
        for (uint256 i; i < hands.length; ++i) {
            rewardPool.collectRebate(hands[i]);
        }
    }

    function _wei() private view returns (uint256 sum) {
        for (uint256 i; i < hands.length; ++i) {
            sum += hands[i].balance;
        }
    }

    function _claimEverything() private {
        for (uint256 i; i < hands.length; ++i) {
            if (ledger.claimable(hands[i]) != 0) ledger.claim(hands[i]);
        }
    }

    /// @return mlb credited to all hands
    function _collect() private returns (uint256 mlb) {
        for (uint256 i; i < hands.length; ++i) {
            (bool ok, bytes memory answer) =
                address(rewardPool).call(abi.encodeCall(rewardPool.collectRebate, (hands[i])));
            if (ok) mlb += abi.decode(answer, (uint256));
        }
    }

    function _trade(uint256 price, uint256 extra) private returns (uint256 payment) {
        vm.prank(provider);
        registry.setPrice(exactModel, price);
        payment = tasks.quote(exactModel, 3) + extra;
        bytes32 taskId = submit(exactModel, 3, payment);
        draw(taskId);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
    }

    /// forge-config: default.fuzz.runs = 48
    function testFuzz_TradingWithOneselfLosesHalfTheProtocolFee(uint256 price, uint256 extra, uint256 mlbPerCoin)
        public
    {
        price = bound(price, 0, 100 ether);
        extra = bound(extra, 0, 100 ether);
        IRewardPool.Rates memory rates = rewardRates();
        rates.mlbPerCoin = uint96(bound(mlbPerCoin, 1e12, 100_000e18));
        rates.rebateBudget = 100_000e18;
        vm.prank(governor);
        rewardPool.setRates(rates);
        skip(tasks.longestTask());
        _collect();
        uint256 before = _wei();
        uint256 paid = _trade(price, extra) + _trade(extra, price);
        _claimEverything();
        uint256 protocolFee = ledger.protocolFees();
        assertApproxEqAbs(protocolFee, paid * 500 / 10_000, 2);
        assertEq(before - _wei(), protocolFee, "the protocol's fee is all that is gone");
        // What comes back, at the rate that governance set: at most half of that.
        uint256 worth = _collect() * 1e18 / rates.mlbPerCoin;
        assertLe(2 * worth, protocolFee, "half of the fee stays lost");
        assertLt(worth + _wei(), before, "a loss");
    }

    function test_TheLossByHand() public {
        // 1 coin: 0.05 for the protocol, 0.0004 for tips, 0.5 for the model, the rest for the seats.
        uint256 before = _wei();
        vm.prank(provider);
        registry.setPrice(exactModel, 0.5 ether);
        bytes32 taskId = submit(exactModel, 3, 1 ether);
        draw(taskId);
        playRound(taskId, RIGHT);
        _claimEverything();
        assertEq(before - _wei(), 0.05 ether);
        // Half of 5 % of what seats and model earned, 0.9496, at 1,000 MLB a coin; three seats round off two wei.
        assertApproxEqAbs(_collect(), 23.74e18, 1_000);
    }

    /// @dev A price of MLB twice as high as governance believes is where it begins to pay: the margin that the page names.
    function test_TheMarginIsAFactorOfTwoInThePriceOfMlb() public {
        uint256 before = _wei();
        _trade(1 ether, 1 ether);
        _claimEverything();
        uint256 loss = before - _wei();
        uint256 mlb = _collect();
        assertLt(mlb * 1e18 / 1_000e18, loss);
        assertLt(mlb * 1e18 / 500e18, loss, "even at twice the price");
        assertGt(mlb * 1e18 / 400e18, loss, "but not at two and a half times");
    }

    /// @dev Tasks move nothing but the rebate: stake and time alone decide the other streams.
    function test_TasksDoNotMoveTheStreamsOfStake() public {
        vm.prank(operators[0].cold);
        rewardPool.checkIn(operators[0].account, exactModel);
        uint256 id = vm.snapshotState();
        skip(1 days);
        uint256 uptime = rewardPool.uptimeOf(operators[0].account);
        uint256 staking = rewardPool.owedTo(provider);
        vm.revertToState(id);
        uint256 then = vm.getBlockTimestamp();
        for (uint256 i; i < 5; ++i) {
            _trade(1 ether, 1 ether);
        }
        skip(1 days - (vm.getBlockTimestamp() - then));
        assertEq(rewardPool.uptimeOf(operators[0].account), uptime);
        assertEq(rewardPool.owedTo(provider), staking);
    }
}

/// @title The same person with a channel of its own, whose coordinator it is too
contract SelfTradingChannelTest is ChannelTest {
    address[] private hands;

    function setUp() public override {
        super.setUp();
        hands.push(client);
        hands.push(coordinator);
        hands.push(provider);
        for (uint256 i; i < operators.length; ++i) {
            hands.push(operators[i].cold);
        }
        for (uint256 i; i < hands.length; ++i) {
            rewardPool.collectRebate(hands[i]);
        }
    }

    function _setShare(uint16 share) private {
        vm.prank(governor);
        channels.setProtocolShare(share);
    }

    /// @dev One order of a channel opened with this share, after governance went back to the usual one.
    function _trade(uint16 share, uint96 fee) private {
        _setShare(share);
        vm.prank(client);
        channels.open{value: fee}(coordinator, COORDINATOR_SHARE, "own");
        terms = ChannelTerms(client, coordinator, uint32(beacon.currentEpoch()), COORDINATOR_SHARE, share, "own");
        channel = channels.channelId(terms);
        _setShare(PROTOCOL_SHARE);
        advance();
        TaskOrder memory order = orderOf(0, 3);
        order.maxFee = fee;
        channels.settle(proven(order, 0));
        channels.collect(terms);
    }

    /// @return mlb credited to all hands
    function _collect() private returns (uint256 mlb) {
        for (uint256 i; i < hands.length; ++i) {
            (bool ok, bytes memory answer) =
                address(rewardPool).call(abi.encodeCall(rewardPool.collectRebate, (hands[i])));
            if (ok) mlb += abi.decode(answer, (uint256));
        }
    }

    /// forge-config: default.fuzz.runs = 48
    function testFuzz_AChannelOfOnesOwnLosesHalfTheProtocolFee(uint256 share, uint256 fee, uint256 mlbPerCoin) public {
        IRewardPool.Rates memory rates = rewardRates();
        rates.mlbPerCoin = uint96(bound(mlbPerCoin, 1e12, 100_000e18));
        rates.rebateBudget = 100_000e18;
        vm.prank(governor);
        rewardPool.setRates(rates);
        skip(tasks.longestTask());
        _collect();
        uint16 chosen = uint16(bound(share, 0, 2_500));
        uint96 price = uint96(bound(fee, PRICE, 90 ether));
        _trade(chosen, price);
        uint256 protocolFee = ledger.protocolFees();
        assertApproxEqAbs(protocolFee, uint256(price) * chosen / 10_000, 1);
        uint256 mlb = _collect();
        assertLe(2 * mlb * 1e18 / rates.mlbPerCoin, protocolFee, "half of the fee stays lost");
        assertLe(rewardPool.lowerRebateFee(), chosen);
    }

    function test_AShareOfNothingEndsTheRebate() public {
        _trade(0, 1 ether);
        assertEq(_collect(), 0, "nothing was paid, so nothing comes back");
        assertEq(channels.protocolShare(), PROTOCOL_SHARE);
        assertEq(channels.leastProtocolShare(), 0, "that channel is still there");
        assertEq(rewardPool.lowerRebateFee(), 0);
    }
}
