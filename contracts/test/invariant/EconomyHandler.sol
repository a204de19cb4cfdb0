// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {IRewardPool, Stream} from "../../src/interfaces/IRewardPool.sol";
import {ISlashEscrow, SlashCase} from "../../src/interfaces/ISlashEscrow.sol";
import {Fault, Role} from "../../src/interfaces/Types.sol";
import {Inflation} from "../../src/libraries/Inflation.sol";
import {AppealsTest} from "../utils/AppealsTest.sol";
import {Vm} from "../utils/Vm.sol";

/// @title Everybody who touches MLB's economy, in any order, and what must hold after each act
/// @dev It keeps its own books from events and from what it did itself: stake x time, budgets by day and by week, MLB
/// burned. The test plays task manager towards the ledger, so no task has to be run for a fee or a fault.
contract EconomyHandler is AppealsTest {
    uint256 private constant YEAR = 365 days;
    uint256 private constant WEEK = 7 days;
    uint256 private constant TEAM_SHARE = 150_000_000e18;
    uint64 private constant FINER = 11;
    uint32 private constant MODEL = 1;

    uint256 private began;
    uint256 private last;
    address[] private people;
    /// @dev Sum of bonded Holder and ModelProvider stake x seconds.
    uint256 private plainTime;
    /// @dev Sum of bonded Compute stake x seconds.
    uint256 private computeTime;
    uint256 private acts;
    uint256 private claimed;
    uint256 private burned;
    mapping(Stream stream => uint256) private credited;
    mapping(uint256 day => uint256) private rebated;
    mapping(uint256 period => uint256) private voted;
    /// @dev The period for which votes were collected last, and in which a person voted last.
    uint256 private collecting;
    mapping(address person => uint256) private lastVote;
    /// @dev Slashes that wait.
    SlashCase[] private waiting;

    mapping(string what => uint256) public seen;

    function setUp() public override {
        super.setUp();
        addPool(3, 1);
        vm.deal(address(bridge), 1_000_000 ether);
        vm.prank(governor);
        rewardPool.setVoteRecorder(address(this));
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = ledger.fine.selector;
        vm.startPrank(governor);
        manager.setTargetFunctionRole(address(ledger), selectors, FINER);
        manager.grantRole(FINER, address(this), 0);
        vm.stopPrank();
        for (uint256 i; i < 4; ++i) {
            people.push(makeAddr(string.concat("person ", vm.toString(i))));
            vm.prank(treasury);
            token.transfer(people[i], 50_000_000e18);
            vm.prank(people[i]);
            token.approve(address(ledger), type(uint256).max);
        }
        people.push(provider);
        for (uint256 i; i < operators.length; ++i) {
            people.push(operators[i].cold);
        }
        began = token.genesis();
        last = vm.getBlockTimestamp();
        // The model provider staked before these books began.
        plainTime = _plainStake() * (last - began);
    }

    // ---- acting ----

    /// @notice Time passes, then somebody does something.
    function act(uint256 dice) external {
        step(dice, uint256(keccak256(abi.encode(dice, "time"))) % 3 days);
    }

    function step(uint256 dice, uint256 time) public {
        dice = uint256(keccak256(abi.encode(dice)));
        plainTime += _plainStake() * time;
        computeTime += _computeStake() * time;
        skip(time);
        ++acts;
        uint256 supply = token.totalSupply();
        uint256 minted = token.inflationMinted();
        vm.recordLogs();
        _do(dice);
        _observe(vm.getRecordedLogs());
        burned += supply + token.inflationMinted() - minted - token.totalSupply();
        last = vm.getBlockTimestamp();
    }

    function _do(uint256 dice) private {
        uint256 kind = dice % 12;
        address person = people[(dice >> 8) % people.length];
        Operator memory operator = operators[(dice >> 16) % 3];
        uint256 amount = (dice >> 64) % 10_000_000e18;
        Role role = (dice >> 32) % 2 == 0 ? Role.Holder : Role.ModelProvider;
        if (kind == 0) {
            _try("mint", person, address(rewardPool), abi.encodeCall(rewardPool.mintInflation, ()));
            vesting.release(address(token));
        } else if (kind == 1) {
            _try("stake", person, address(ledger), abi.encodeCall(ledger.stake, (role, amount)));
        } else if (kind == 2) {
            uint256 bonded = ledger.stakeOf(person, role);
            if (amount % 2 == 0) bonded = amount;
            _try("unbond", person, address(ledger), abi.encodeCall(ledger.requestUnbond, (role, bonded)));
        } else if (kind == 3) {
            _try("withdraw", person, address(ledger), abi.encodeCall(ledger.withdraw, (role)));
        } else if (kind == 4) {
            _try(
                "check in",
                operator.node,
                address(rewardPool),
                abi.encodeCall(rewardPool.checkIn, (operator.account, exactModel))
            );
        } else if (kind == 5) {
            _settle(operator, dice);
            _try("rebate", person, address(rewardPool), abi.encodeCall(rewardPool.collectRebate, (operator.cold)));
            _try("quality", person, address(rewardPool), abi.encodeCall(rewardPool.collectRebate, (provider)));
        } else if (kind == 6) {
            collecting = lastVote[person];
            _try("votes", person, address(rewardPool), abi.encodeCall(rewardPool.collectVotes, (person, collecting)));
            uint256 end = vm.getBlockTimestamp() + (dice >> 40) % 10 days;
            rewardPool.recordVote(person, amount, end);
            lastVote[person] = end / WEEK;
        } else if (kind == 7) {
            _try("claim", person, address(rewardPool), abi.encodeCall(rewardPool.claim, (person)));
        } else if (kind == 8) {
            _fault(operator, dice);
        } else if (kind == 9) {
            _endCase(dice);
        } else if (kind == 10) {
            if (ledger.fine(operator.account, 0, MODEL, (dice >> 128) % 7_500e18) != 0) ++seen["fine"];
        } else {
            _serving(operator, person);
        }
    }

    function _settle(Operator memory operator, uint256 dice) private {
        uint32[] memory winners = new uint32[](1);
        winners[0] = operator.account;
        uint256 fee = (dice >> 128) % 1 ether;
        vm.prank(address(tasks));
        ledger.settle(IRewardDistributor.Settlement(0, provider, fee, fee / 20, fee / 3, requester, 0, winners));
    }

    /// @dev A fault, and enough stake and time to come back from it.
    function _fault(Operator memory operator, uint256 dice) private {
        Fault fault = (dice >> 24) % 3 == 0 ? Fault.Incorrect : Fault.Absent;
        vm.prank(address(tasks));
        ledger.slash(operator.account, 0, MODEL, fault, 8_000, address(0));
        uint256 bonded = bondedOf(operator.account);
        if (bonded < 2 * COMPUTE_MIN) stakeAs(operator.cold, Role.Compute, 2 * COMPUTE_MIN - bonded);
        _try("unjail", operator.cold, address(ledger), abi.encodeCall(ledger.unjail, (operator.account)));
    }

    /// @dev Given back while its window runs, or made final afterwards.
    function _endCase(uint256 dice) private {
        if (waiting.length == 0) return;
        uint256 index = (dice >> 128) % waiting.length;
        SlashCase memory found = waiting[index];
        (, uint256 until) = escrow.caseState(escrow.caseIdOf(found));
        bool open = vm.getBlockTimestamp() <= until;
        if (open && (dice >> 24) % 2 == 0) return;
        waiting[index] = waiting[waiting.length - 1];
        waiting.pop();
        vm.prank(governor);
        if (open) escrow.veto(found);
        else escrow.finalise(found);
        ++seen[open ? "veto" : "finalise"];
    }

    function _serving(Operator memory operator, address person) private {
        if (tasks.isServing(exactModel, operator.account)) {
            _try(
                "stop", operator.cold, address(tasks), abi.encodeCall(tasks.stopServing, (exactModel, operator.account))
            );
            _try("report", person, address(rewardPool), abi.encodeCall(rewardPool.report, (operator.account)));
        } else {
            _try(
                "serve",
                operator.cold,
                address(tasks),
                abi.encodeCall(tasks.serveModel, (exactModel, operator.account, CLASS))
            );
        }
    }

    function _try(string memory what, address caller, address target, bytes memory data) private {
        vm.prank(caller);
        (bool ok,) = target.call(data);
        if (ok) ++seen[what];
    }

    function _observe(Vm.Log[] memory logs) private {
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == ISlashEscrow.SlashHeld.selector) {
                (SlashCase memory found,) = abi.decode(logs[i].data, (SlashCase, uint256));
                waiting.push(found);
            }
            if (logs[i].emitter != address(rewardPool)) continue;
            if (logs[i].topics[0] == IRewardPool.Claimed.selector) claimed += abi.decode(logs[i].data, (uint256));
            if (logs[i].topics[0] != IRewardPool.Credited.selector) continue;
            Stream stream = Stream(uint8(uint256(logs[i].topics[2])));
            uint256 amount = abi.decode(logs[i].data, (uint256));
            credited[stream] += amount;
            if (stream == Stream.Participation || stream == Stream.Quality) {
                rebated[vm.getBlockTimestamp() / 1 days] += amount;
            }
            if (stream == Stream.Vote) voted[collecting] += amount;
        }
    }

    function _plainStake() private view returns (uint256 sum) {
        for (uint256 i; i < people.length; ++i) {
            sum += ledger.stakeOf(people[i], Role.Holder) + ledger.stakeOf(people[i], Role.ModelProvider);
        }
    }

    function _computeStake() private view returns (uint256 sum) {
        for (uint256 i; i < 3; ++i) {
            sum += bondedOf(operators[i].account);
        }
    }

    // ---- what must hold ----

    function check() public view {
        _checkSupply();
        _checkVesting();
        _checkPool();
        _checkBudgets();
        _checkLedger();
    }

    /// @dev What exists was there at genesis or minted by the formula, and is not burned.
    function _checkSupply() private view {
        uint256 minted = token.inflationMinted();
        uint256 allowed = Inflation.issuable(last - began);
        assertLe(minted, allowed, "more than the formula");
        assertEq(minted + token.mintable(), allowed, "what nobody minted is still there to mint");
        assertEq(token.totalSupply(), token.TOTAL_SUPPLY() + minted - burned, "supply");
    }

    function _checkVesting() private view {
        uint256 elapsed = last - began;
        uint256 vested = elapsed >= 4 * YEAR ? TEAM_SHARE : TEAM_SHARE * elapsed / (4 * YEAR);
        assertEq(token.balanceOf(team) + vesting.releasable(address(token)), vested, "vested to the second");
        assertEq(token.balanceOf(team) + token.balanceOf(address(vesting)), TEAM_SHARE, "vesting");
    }

    /// @dev Everything that came in is there, owed or paid.
    function _checkPool() private view {
        uint256 balance = token.balanceOf(address(rewardPool));
        assertEq(balance + claimed, 400_000_000e18 + token.inflationMinted(), "in and out");
        uint256 owed = rewardPool.owed();
        assertLe(owed, balance, "overdrawn");
        uint256 sum = rewardPool.owedTo(address(this));
        for (uint256 i; i < people.length; ++i) {
            sum += rewardPool.owedTo(people[i]);
        }
        assertLe(sum, owed, "owed to somebody unknown");
        assertLe(owed - sum, people.length, "owed to nobody, beyond the fractions of its owners");
    }

    function _checkBudgets() private view {
        IRewardPool.Rates memory rates = rewardPool.rates();
        uint256 pending;
        for (uint256 i; i < people.length; ++i) {
            pending += rewardPool.owedTo(people[i]);
        }
        uint256 others;
        for (uint8 i = 1; i <= uint8(type(Stream).max); ++i) {
            others += credited[Stream(i)];
        }
        // What staking earned so far, credited or not: all of rate x stake x time but what was rounded off.
        uint256 staking = pending + claimed - others;
        uint256 expected = plainTime * rates.stakingRate / (10_000 * YEAR);
        assertLe(staking, expected, "staking");
        assertLe(expected - staking, 2 * acts + people.length, "dust");
        uint256 most = computeTime * rates.uptimeRate * 2 / (10_000 * YEAR);
        assertLe(credited[Stream.Uptime] + credited[Stream.Report], most, "uptime");
        assertLe(rebated[last / 1 days], rates.rebateBudget, "the day's rebates");
        assertLe(voted[collecting], rates.voteBudget, "the week's votes");
    }

    /// @dev Every MLB of the ledger is stake, unbonding, reserve, credit, or of a slash that waits; and nobody is paid for
    /// being up with stake that is gone.
    function _checkLedger() private view {
        uint256 sum = ledger.disputeReserve(0) + ledger.disputeReserve(MODEL) + ledger.disputeReserve(MODEL + 1);
        uint256 held;
        for (uint256 i; i < waiting.length; ++i) {
            held += uint256(waiting[i].fromBonded) + waiting[i].fromUnbonding;
        }
        assertEq(ledger.heldSlashes(), held, "slashes that wait");
        for (uint256 i; i < people.length; ++i) {
            sum += ledger.totalStakeOf(people[i]) + ledger.claimableTokens(people[i]);
            for (uint8 role; role < 4; ++role) {
                (uint256 unbonding,) = ledger.unbondingOf(people[i], Role(role));
                sum += unbonding;
            }
        }
        assertEq(token.balanceOf(address(ledger)), sum + held, "MLB of the ledger");
        for (uint256 i; i < 3; ++i) {
            IRewardPool.Interval memory interval = rewardPool.intervalOf(operators[i].account);
            if (interval.since != 0) {
                assertLe(interval.stake, bondedOf(operators[i].account), "uptime of stake that is gone");
            }
        }
    }
}
