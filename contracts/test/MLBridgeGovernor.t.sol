// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Category, IMLBridgeGovernor} from "../src/interfaces/IMLBridgeGovernor.sol";
import {GovernanceTest} from "./utils/GovernanceTest.sol";

/// @title Proposals from end to end: thresholds, quorums, delays, votes
contract MLBridgeGovernorTest is GovernanceTest {
    address private second = makeAddr("second");

    // ---- terms of each category ----

    function testProposalThresholdOfEachCategory() public {
        for (uint256 i; i < CATEGORIES; ++i) {
            Category category = Category(i);
            uint256 threshold = termsOf(category).proposalThreshold;
            address poor = makeAddr(string.concat("poor ", vm.toString(i)));
            giveVotes(poor, threshold - 1);
            Proposal memory p = sample(category);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IGovernor.GovernorInsufficientProposerVotes.selector, poor, threshold - 1, threshold
                )
            );
            vm.prank(poor);
            dao.proposeIn(category, p.targets, p.values, p.calldatas, p.description);
            giveVotes(poor, 1);
            propose(poor, category, p);
        }
    }

    function testDelaysOfEachCategory() public {
        address[] memory members = addRoll(50, 40_000e18);
        for (uint256 i; i < CATEGORIES; ++i) {
            Category category = Category(i);
            IMLBridgeGovernor.Terms memory t = termsOf(category);
            Proposal memory p = sample(category);
            uint256 start = vm.getBlockTimestamp();
            vm.expectEmit(false, true, false, true, address(dao));
            emit IMLBridgeGovernor.ProposalCategorized(0, category, t);
            uint256 id = propose(whale, category, p);
            assertEq(dao.proposalSnapshot(id), start + t.votingDelay);
            assertEq(dao.proposalDeadline(id), start + t.votingDelay + t.votingPeriod);
            (Category kept,) = dao.proposalTerms(id);
            assertEq(uint256(kept), i);
            assertState(id, IGovernor.ProposalState.Pending);
            voteThrough(p, t.quadratic ? members : asList(whale));
            assertState(id, IGovernor.ProposalState.Succeeded);
            uint256 queued = vm.getBlockTimestamp();
            queue(p);
            assertEq(dao.proposalEta(id), queued + t.timelockDelay);
            vm.warp(queued + t.timelockDelay - 1);
            vm.expectPartialRevert(IMLBridgeGovernor.TimelockUnmet.selector);
            execute(p);
            vm.warp(queued + t.timelockDelay);
            execute(p);
            assertState(id, IGovernor.ProposalState.Executed);
        }
        assertEq(ledger.judgeFee(), 7e18);
        assertEq(tasks.parameters().commitWindow, parameters().commitWindow);
        assertEq(dao.coinGrantLimit(), 2);
        assertEq(token.balanceOf(stranger), 5e18);
    }

    function setUp() public override {
        super.setUp();
        vm.prank(treasury);
        token.transfer(address(timelock), 10_000_000e18);
    }

    function testFuzzQuorumOfEachCategoryToTheUnit(uint256 which, uint256 missing) public {
        Category category = Category(bound(which, 0, 2));
        missing = bound(missing, 0, 1);
        uint256 needed = Math.mulDiv(token.totalSupply(), termsOf(category).quorum, 10_000, Math.Rounding.Ceil);
        giveVotes(second, needed - missing);
        uint256 id = propose(whale, category, sample(category));
        openVote(id);
        assertEq(dao.proposalQuorum(id), needed);
        vote(second, id, FOR);
        closeVote(id);
        assertState(id, missing == 0 ? IGovernor.ProposalState.Succeeded : IGovernor.ProposalState.Defeated);
    }

    function testAbstentionsCountInTheQuorumOnly() public {
        giveVotes(second, 1e18);
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        openVote(id);
        vote(whale, id, ABSTAIN);
        closeVote(id);
        assertState(id, IGovernor.ProposalState.Defeated);
        id = propose(whale, Category.Technical, sample(Category.Technical));
        openVote(id);
        vote(whale, id, ABSTAIN);
        vote(second, id, FOR);
        closeVote(id);
        assertState(id, IGovernor.ProposalState.Succeeded);
    }

    function testAShareOfForMustBeExceeded() public {
        giveVotes(second, 100_000_000e18);
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        openVote(id);
        vote(whale, id, FOR);
        vote(second, id, AGAINST);
        closeVote(id);
        assertState(id, IGovernor.ProposalState.Defeated);
    }

    function testFuzzGovernanceNeedsTwoThirds(uint256 against) public {
        against = bound(against, 0, 100_000_000e18);
        giveVotes(second, against);
        uint256 id = propose(whale, Category.Governance, sample(Category.Governance));
        openVote(id);
        vote(whale, id, FOR);
        if (against != 0) vote(second, id, AGAINST);
        closeVote(id);
        bool passes = 100_000_000e18 * 10_000 > (100_000_000e18 + against) * 6_666;
        assertState(id, passes ? IGovernor.ProposalState.Succeeded : IGovernor.ProposalState.Defeated);
    }

    function testAProposalKeepsTheTermsItWasMadeUnder() public {
        Proposal memory open = sample(Category.Technical);
        propose(whale, Category.Technical, open);
        voteThrough(open, asList(whale));
        queue(open);
        uint256 eta = dao.proposalEta(open.id);
        IMLBridgeGovernor.Terms memory t = termsOf(Category.Technical);
        (t.quorum, t.timelockDelay, t.votingDelay) = (4_000, 30 days, 9 days);
        Proposal memory change = proposal(address(dao), abi.encodeCall(dao.setTerms, (Category.Technical, t)));
        Proposal memory late = sample(Category.Technical);
        toQueue(Category.Governance, change);
        vm.warp(dao.proposalEta(change.id) - 8 days);
        propose(whale, Category.Technical, late);
        openVote(late.id);
        vote(whale, late.id, FOR);
        vm.warp(dao.proposalEta(change.id));
        execute(change);
        assertEq(dao.terms(Category.Technical).quorum, 4_000);
        assertState(late.id, IGovernor.ProposalState.Succeeded);
        queue(late);
        assertEq(dao.proposalEta(late.id), vm.getBlockTimestamp() + 3 days);
        assertEq(dao.proposalEta(open.id), eta);
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        assertEq(dao.proposalSnapshot(id), vm.getBlockTimestamp() + 9 days);
    }

    // ---- what does not pass ----

    function testNothingIsQueuedOrExecutedOutOfTurn() public {
        Proposal memory p = sample(Category.Technical);
        propose(whale, Category.Technical, p);
        _assertNeitherQueuedNorExecuted(p);
        openVote(p.id);
        _assertNeitherQueuedNorExecuted(p);
        vote(whale, p.id, AGAINST);
        closeVote(p.id);
        assertState(p.id, IGovernor.ProposalState.Defeated);
        _assertNeitherQueuedNorExecuted(p);
        p = sample(Category.Technical);
        toQueue(Category.Technical, p);
        vm.warp(dao.proposalEta(p.id));
        execute(p);
        _assertNeitherQueuedNorExecuted(p);
    }

    function testWhatNobodyCarriesOutLapses() public {
        Proposal memory p = sample(Category.Technical);
        propose(whale, Category.Technical, p);
        voteThrough(p, asList(whale));
        vm.warp(dao.proposalDeadline(p.id) + GRACE);
        assertState(p.id, IGovernor.ProposalState.Succeeded);
        skip(1);
        assertState(p.id, IGovernor.ProposalState.Expired);
        _assertNeitherQueuedNorExecuted(p);
        p = sample(Category.Technical);
        toQueue(Category.Technical, p);
        vm.warp(dao.proposalEta(p.id) + GRACE);
        assertState(p.id, IGovernor.ProposalState.Queued);
        skip(1);
        assertState(p.id, IGovernor.ProposalState.Expired);
        _assertNeitherQueuedNorExecuted(p);
    }

    function testAFailingCallUndoesTheWholeProposal() public {
        Proposal memory p = proposal(address(dao), abi.encodeCall(dao.setGrantLimits, (1, 2)));
        p = and(p, address(bridge), 0, abi.encodeCall(bridge.unpause, ()));
        toQueue(Category.Governance, p);
        vm.warp(dao.proposalEta(p.id));
        vm.expectRevert(bytes4(keccak256("ExpectedPause()")));
        execute(p);
        assertEq(dao.tokenGrantLimit(), GRANT_TOKENS);
        assertState(p.id, IGovernor.ProposalState.Queued);
    }

    function testAStateOfNothingIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorNonexistentProposal.selector, 1));
        dao.state(1);
    }

    // ---- power ----

    function testEverySetterIsByProposalOnly() public {
        bytes[] memory calls = new bytes[](8);
        calls[0] = abi.encodeCall(dao.setTerms, (Category.Technical, termsOf(Category.Technical)));
        calls[1] = abi.encodeCall(dao.listCall, (stranger, bytes4(0), Category.Ecosystem));
        calls[2] = abi.encodeCall(dao.setGrantLimits, (1, 1));
        calls[3] = abi.encodeCall(dao.setVoteRecorder, (stranger));
        calls[4] = abi.encodeCall(dao.setProposalGuardian, (stranger));
        calls[5] = abi.encodeCall(dao.setLateQuorumVoteExtension, (1));
        calls[6] = abi.encodeWithSelector(dao.updateTimelock.selector, stranger);
        calls[7] = abi.encodeCall(dao.relay, (address(token), 0, abi.encodeCall(token.transfer, (stranger, 1))));
        address[3] memory callers = [stranger, guardian, whale];
        for (uint256 i; i < calls.length; ++i) {
            for (uint256 j; j < callers.length; ++j) {
                vm.prank(callers[j]);
                (bool done, bytes memory answer) = address(dao).call(calls[i]);
                assertFalse(done);
                assertEq(answer, abi.encodeWithSelector(IGovernor.GovernorOnlyExecutor.selector, callers[j]));
            }
        }
    }

    function testOnlyTheGovernorTellsTheTimelock() public {
        bytes memory data = abi.encodeCall(IERC20.transfer, (stranger, 1));
        bytes32 proposer = timelock.PROPOSER_ROLE();
        bytes32 executor = timelock.EXECUTOR_ROLE();
        address[4] memory callers = [address(this), governor, guardian, whale];
        for (uint256 i; i < callers.length; ++i) {
            vm.startPrank(callers[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, callers[i], proposer)
            );
            timelock.schedule(address(token), 0, data, 0, 0, 30 days);
            vm.expectRevert(
                abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, callers[i], executor)
            );
            timelock.execute(address(token), 0, data, 0, 0);
            vm.stopPrank();
        }
    }

    function testTheOldAdministratorHasNothingLeft() public {
        vm.startPrank(governor);
        bytes memory refused = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, governor);
        vm.expectRevert(refused);
        bridge.pause();
        vm.expectRevert(refused);
        bridge.unpause();
        vm.expectRevert(refused);
        ledger.setJudgeFee(0);
        vm.expectPartialRevert(bytes4(keccak256("AccessManagerUnauthorizedAccount(address,uint64)")));
        manager.grantRole(ADMIN, governor, 0);
        vm.stopPrank();
    }

    function testCoinForTheTreasuryIsTakenByTheTimelockOnly() public {
        vm.deal(stranger, 2 ether);
        vm.startPrank(stranger);
        (bool taken,) = address(timelock).call{value: 1 ether}("");
        assertTrue(taken);
        (taken,) = address(dao).call{value: 1 ether}("");
        assertFalse(taken);
        vm.stopPrank();
        assertEq(address(timelock).balance, 1 ether);
    }

    // ---- helpers ----

    function _assertNeitherQueuedNorExecuted(Proposal memory p) private {
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        this.queueFor(p);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        this.executeFor(p);
    }

    function queueFor(Proposal memory p) external {
        queue(p);
    }

    function executeFor(Proposal memory p) external {
        execute(p);
    }
}
