// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {MLBridgeToken} from "../../src/MLBridgeToken.sol";
import {RewardDistributor} from "../../src/RewardDistributor.sol";
import {RewardPool} from "../../src/RewardPool.sol";
import {IMLBridgeToken} from "../../src/interfaces/IMLBridgeToken.sol";
import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {IRewardPool} from "../../src/interfaces/IRewardPool.sol";
import {Fault, Role} from "../../src/interfaces/Types.sol";
import {Test} from "./Test.sol";

/// @dev What the ledger needs of MLBridge: wei, and `release` by the ledger alone.
contract BridgeStub {
    error TransferFailed(address to, uint256 amount);

    address public distributor;

    receive() external payable {}

    function setDistributor(address distributor_) external {
        distributor = distributor_;
    }

    function release(address payable to, uint256 amount) external {
        require(msg.sender == distributor, "not the ledger");
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to, amount);
    }
}

/// @title The ledger alone: the test plays task manager and verifier
abstract contract LedgerTest is Test {
    uint256 internal constant UNBONDING = 14 days;
    uint256 internal constant JAIL = 1 days;
    uint256 internal constant JUDGE_FEE = 100e18;
    uint256 internal constant COMPUTE_MIN = 50_000e18;
    uint256 internal constant VERIFIER_MIN = 25_000e18;
    uint256 internal constant PROVIDER_MIN = 10_000e18;
    bytes32 internal constant TASK = keccak256("task");
    uint32 internal constant MODEL = 3;

    AccessManager internal manager;
    MLBridgeToken internal token;
    RewardDistributor internal ledger;
    BridgeStub internal bridge;
    RewardPool internal rewardPool;

    address internal governor = makeAddr("governor");
    address internal treasury = makeAddr("treasury");
    address internal team = makeAddr("team");
    address internal taskManager = makeAddr("taskManager");
    address internal verifier = makeAddr("verifier");
    address internal modelRegistry = makeAddr("registry");
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");
    address internal carol = makeAddr("carol");
    address internal stranger = makeAddr("stranger");

    function setUp() public virtual {
        manager = new AccessManager(governor);
        bridge = new BridgeStub();
        address predicted = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        address poolAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        token = new MLBridgeToken(IMLBridgeToken.Allocation(poolAt, team, treasury, treasury, treasury), predicted);
        ledger = new RewardDistributor(
            address(manager), address(token), address(bridge), taskManager, verifier, UNBONDING, JAIL, JUDGE_FEE
        );
        assertEq(address(ledger), predicted);
        rewardPool = new RewardPool(
            address(manager), address(token), address(ledger), taskManager, modelRegistry, rewardRates()
        );
        assertEq(address(rewardPool), poolAt);
        bridge.setDistributor(address(ledger));
        vm.deal(address(bridge), 1_000 ether);
    }

    /// @dev What a test wants to change about the rewards.
    function rewardRates() internal view virtual returns (IRewardPool.Rates memory) {
        return IRewardPool.Rates({
            stakingRate: 200,
            uptimeRate: 300,
            voteRate: 100,
            rebateFee: 500,
            mlbPerCoin: 1_000e18,
            rebateBudget: 20_000e18,
            voteBudget: 20_000e18
        });
    }

    function fund(address who, uint256 amount) internal {
        vm.prank(treasury);
        token.transfer(who, amount);
        vm.prank(who);
        token.approve(address(ledger), type(uint256).max);
    }

    /// @dev Stake in a role and name the account.
    function staked(address operator, Role role, uint256 amount) internal returns (uint32 id) {
        fund(operator, amount);
        vm.prank(operator);
        ledger.stake(role, amount);
        return ledger.accountId(operator, role);
    }

    function unbond(address operator, Role role, uint256 amount) internal {
        vm.prank(operator);
        ledger.requestUnbond(role, amount);
    }

    function slash(uint32 id, Fault fault, uint256 confidence) internal returns (uint256) {
        vm.prank(taskManager);
        return ledger.slash(id, TASK, MODEL, fault, confidence, address(0));
    }

    /// @dev Absent once more, after the last absence stopped counting for the next.
    function absent(uint32 id) internal returns (uint256) {
        skip(JAIL / 24);
        return slash(id, Fault.Absent, 0);
    }

    /// @dev A round of as many judges as are named, or of more of whom the rest did not reveal.
    function judged(uint32[] memory judges, uint256 seats) internal {
        vm.startPrank(taskManager);
        assertTrue(ledger.earmarkJudges(TASK, MODEL, seats), "earmark");
        ledger.payJudges(TASK, judges);
        vm.stopPrank();
    }

    function win(uint32 id, uint256 seatFee) internal {
        uint32[] memory winners = new uint32[](1);
        winners[0] = id;
        settle(winners, seatFee);
    }

    function settle(uint32[] memory winners, uint256 seatFee) internal {
        vm.prank(taskManager);
        ledger.settle(IRewardDistributor.Settlement(TASK, address(0), 0, 0, seatFee, address(0), 0, winners));
    }

    function account(uint32 id) internal view returns (IRewardDistributor.Account memory) {
        return ledger.accounts(id);
    }

    /// @dev Run `call` as `caller` and return what it reverted with.
    function revertOf(address caller, bytes memory data) internal returns (bytes memory) {
        vm.prank(caller);
        (bool ok, bytes memory answer) = address(ledger).call(data);
        assertFalse(ok, "expected a revert");
        return answer;
    }
}
