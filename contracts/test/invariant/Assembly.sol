// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Category, IMLBridgeGovernor} from "../../src/interfaces/IMLBridgeGovernor.sol";
import {Role} from "../../src/interfaces/Types.sol";
import {GovernanceTest} from "../utils/GovernanceTest.sol";

/// @title Holders, stakers, a guardian and thieves, by chance
/// @dev One entry: a number chooses who does what. Votes are counted here a second time, from balances and stakes that
/// are read when a vote opens, so that nothing passes on the governor's word alone.
contract Assembly is GovernanceTest {
    struct Shadow {
        Proposal proposal;
        Category category;
        uint256 needed; // quorum, read when the first vote is cast
        uint256[3] votes;
        uint256 queuedAt;
        bool vetoed;
        bool executed;
        uint256 granted; // MLB that it takes out of the treasury
    }

    uint256 private constant VOTERS = 6;
    uint256 private constant MOST_LIVE = 5;

    mapping(string => uint256) public seen;
    address[] private voters;
    Shadow[] private live;
    uint256 private treasuryExpected;
    uint256 private seed;
    uint256 private rolls;
    uint256 private clock;

    function setUp() public override {
        super.setUp();
        vm.prank(treasury);
        token.transfer(address(timelock), 10_000_000e18);
        treasuryExpected = token.balanceOf(address(timelock));
        for (uint256 i; i < VOTERS; ++i) {
            voters.push(makeAddr(string.concat("voter ", vm.toString(i))));
            giveVotes(voters[i], 40_000_000e18);
            enrolAs(voters[i], 6_400_000e18 * (i + 1));
        }
        skip(MATURITY);
        clock = vm.getBlockTimestamp();
    }

    // ---- the one entry ----

    function act(uint256 number) public {
        vm.warp(clock);
        (seed, rolls) = (number, 0);
        uint256 choice = _roll(100);
        if (choice < 18) _propose();
        else if (choice < 60) _session();
        else if (choice < 72) _carryOn();
        else if (choice < 75) _veto();
        else if (choice < 82) _moveStake();
        else if (choice < 88) _moveVotes();
        else if (choice < 94) _steal();
        else skip(1 + _roll(3 days));
        skip(_roll(6 hours));
        clock = vm.getBlockTimestamp();
    }

    // ---- what must hold ----

    /// @dev Nobody but the timelock holds a power, and nobody but the governor moves the timelock.
    function checkPower() public view {
        (bool holds,) = manager.hasRole(ADMIN, address(timelock));
        assertTrue(holds, "the timelock is the administrator");
        bytes32[4] memory roles = [
            timelock.DEFAULT_ADMIN_ROLE(), timelock.PROPOSER_ROLE(), timelock.EXECUTOR_ROLE(), timelock.CANCELLER_ROLE()
        ];
        for (uint256 i; i < VOTERS + 5; ++i) {
            address who = i < VOTERS ? voters[i] : [whale, guardian, governor, treasury, address(this)][i - VOTERS];
            (holds,) = manager.hasRole(ADMIN, who);
            assertFalse(holds, "administrator");
            (holds,) = manager.hasRole(PAUSER, who);
            assertFalse(holds, "pauser");
            for (uint256 j; j < 4; ++j) {
                assertFalse(timelock.hasRole(roles[j], who), "role of the timelock");
            }
        }
    }

    /// @dev The treasury pays what was voted for and nothing else.
    function checkTreasury() public view {
        assertEq(token.balanceOf(address(timelock)), treasuryExpected, "treasury");
    }

    // ---- steps ----

    function _propose() private {
        Category category = Category(_roll(CATEGORIES));
        Shadow storage s = live.length == MOST_LIVE ? live[_roll(MOST_LIVE)] : live.push();
        delete s.votes;
        (s.queuedAt, s.vetoed, s.executed, s.needed, s.granted) = (0, false, false, 0, 0);
        Proposal memory p = sample(category);
        if (category == Category.Ecosystem) {
            s.granted = 1e18 * (1 + _roll(1_000));
            p.calldatas[0] = abi.encodeCall(token.transfer, (stranger, s.granted));
        }
        propose(whale, category, p);
        (s.proposal, s.category) = (p, category);
        ++seen["proposed"];
    }

    function _session() private {
        Shadow storage s = _pick();
        uint256 id = s.proposal.id;
        if (dao.state(id) == IGovernor.ProposalState.Pending) openVote(id);
        if (dao.state(id) != IGovernor.ProposalState.Active) return;
        for (uint256 i = _roll(VOTERS) + 1; i > 0; --i) {
            _vote(s, id, voters[_roll(VOTERS)]);
        }
    }

    function _vote(Shadow storage s, uint256 id, address who) private {
        if (dao.hasVoted(id, who)) return;
        uint256 weight = _weightOf(s, who);
        uint8 support = _roll(5) == 0 ? AGAINST : _roll(4) == 0 ? ABSTAIN : FOR;
        if (weight == 0) {
            vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.NoVotingPower.selector, who));
            vote(who, id, support);
            ++seen["no power"];
            return;
        }
        vote(who, id, support);
        s.votes[support] += weight;
        (uint256 against, uint256 for_, uint256 abstain) = dao.proposalVotes(id);
        assertTrue(
            against == s.votes[AGAINST] && for_ == s.votes[FOR] && abstain == s.votes[ABSTAIN], "counted twice over"
        );
        ++seen["voted"];
    }

    /// @dev Queue or execute whatever the proposal's state; it succeeds exactly when it was won and waited for.
    function _carryOn() private {
        Shadow storage s = _pick();
        uint256 id = s.proposal.id;
        if (_roll(2) == 0 && dao.state(id) == IGovernor.ProposalState.Active) closeVote(id);
        if (s.queuedAt == 0) {
            bool mayQueue = vm.getBlockTimestamp() > dao.proposalDeadline(id) && _won(s) && !s.vetoed
                && vm.getBlockTimestamp() <= dao.proposalDeadline(id) + GRACE;
            try this.queueFor(s.proposal) {
                assertTrue(mayQueue, "queued without quorum or approval");
                s.queuedAt = vm.getBlockTimestamp();
                ++seen["queued"];
            } catch {
                assertFalse(mayQueue, "won and not queued");
                ++seen["not queued"];
            }
            return;
        }
        uint256 eta = s.queuedAt + termsOf(s.category).timelockDelay;
        if (_roll(2) == 0 && vm.getBlockTimestamp() < eta) vm.warp(eta);
        bool mayExecute = _won(s) && !s.vetoed && !s.executed && vm.getBlockTimestamp() >= eta
            && vm.getBlockTimestamp() <= eta + GRACE;
        try this.executeFor(s.proposal) {
            assertTrue(mayExecute, "executed against the rules");
            s.executed = true;
            treasuryExpected -= s.granted;
            ++seen["executed"];
            if (s.category == Category.Ecosystem) ++seen["granted"];
        } catch {
            assertFalse(mayExecute, "won and not executed");
            ++seen["not executed"];
        }
    }

    function _veto() private {
        Shadow storage s = _pick();
        uint256 eta = s.queuedAt == 0 ? type(uint256).max : s.queuedAt + termsOf(s.category).timelockDelay;
        bool open = dao.state(s.proposal.id) != IGovernor.ProposalState.Expired && !s.vetoed && !s.executed;
        bool mayVeto = open && vm.getBlockTimestamp() < dao.guardianUntil() && vm.getBlockTimestamp() < eta;
        try this.cancelFor(guardian, s.proposal) {
            assertTrue(mayVeto, "vetoed too late");
            s.vetoed = true;
            ++seen["vetoed"];
        } catch {
            assertFalse(mayVeto, "veto refused");
        }
    }

    function _moveStake() private {
        address who = voters[_roll(VOTERS)];
        uint256 bonded = ledger.stakeOf(who, Role.Holder);
        if (_roll(4) != 0) stakeAs(who, Role.Holder, 1_000e18 * (1 + _roll(1_000)));
        else if (bonded > 20_000_000e18) _unbond(who, bonded / 2);
        if (_roll(2) == 0) {
            try roll.refresh(who) {
                ++seen["refreshed"];
            } catch {}
        } else if (ledger.totalStakeOf(who) >= ROLL_MINIMUM) {
            vm.prank(who);
            roll.enrol();
            ++seen["enrolled"];
        }
    }

    function _unbond(address who, uint256 amount) private {
        vm.prank(who);
        ledger.requestUnbond(Role.Holder, amount);
    }

    function _moveVotes() private {
        address from = voters[_roll(VOTERS)];
        address to = voters[_roll(VOTERS)];
        uint256 spare = token.balanceOf(from);
        vm.startPrank(from);
        if (_roll(2) == 0) token.delegate(_roll(3) == 0 ? to : from);
        else if (spare > 20_000_000e18) token.transfer(to, spare - 20_000_000e18);
        vm.stopPrank();
    }

    /// @dev Whatever a stranger or the guardian tries besides its part, it fails.
    function _steal() private {
        address thief = [stranger, guardian, whale, voters[0]][_roll(4)];
        bytes memory take = abi.encodeCall(token.transfer, (thief, 1));
        bytes32 nothing;
        bytes[6] memory tries = [
            abi.encodeCall(timelock.schedule, (address(token), 0, take, nothing, nothing, 60 days)),
            abi.encodeCall(timelock.execute, (address(token), 0, take, nothing, nothing)),
            abi.encodeCall(timelock.updateDelay, (0)),
            abi.encodeCall(dao.relay, (address(token), 0, take)),
            abi.encodeCall(dao.setProposalGuardian, (thief)),
            abi.encodeCall(manager.grantRole, (ADMIN, thief, 0))
        ];
        uint256 which = _roll(6);
        address target = which < 3 ? address(timelock) : which < 5 ? address(dao) : address(manager);
        vm.prank(thief);
        (bool done,) = target.call(tries[which]);
        assertFalse(done, "a thief succeeded");
        ++seen["theft refused"];
    }

    // ---- a second count ----

    function _won(Shadow storage s) private view returns (bool) {
        IMLBridgeGovernor.Terms memory t = termsOf(s.category);
        if (s.needed == 0 || s.votes[FOR] + s.votes[ABSTAIN] < s.needed) return false;
        return s.votes[FOR] * 10_000 > (s.votes[FOR] + s.votes[AGAINST]) * t.approval;
    }

    function _weightOf(Shadow storage s, address who) private returns (uint256) {
        uint256 snapshot = dao.proposalSnapshot(s.proposal.id);
        IMLBridgeGovernor.Terms memory t = termsOf(s.category);
        uint256 whole = t.quadratic ? roll.totalWeightAt(snapshot) : token.getPastTotalSupply(snapshot);
        s.needed = Math.max(Math.mulDiv(whole, t.quorum, 10_000, Math.Rounding.Ceil), t.quorumFloor);
        if (!t.quadratic) return token.getPastVotes(who, snapshot);
        uint256 weight = roll.weightAt(who, snapshot);
        assertLe(weight * weight, ledger.totalStakeOf(who), "more than is bonded");
        return weight;
    }

    // ---- helpers ----

    function queueFor(Proposal memory p) external {
        queue(p);
    }

    function executeFor(Proposal memory p) external {
        execute(p);
    }

    function cancelFor(address who, Proposal memory p) external {
        cancelAs(who, p);
    }

    function _pick() private returns (Shadow storage) {
        if (live.length == 0) _propose();
        return live[_roll(live.length)];
    }

    function _roll(uint256 sides) private returns (uint256) {
        return uint256(keccak256(abi.encode(seed, ++rolls))) % sides;
    }
}
