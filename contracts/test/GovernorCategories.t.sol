// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

import {VoterRoll} from "../src/governance/VoterRoll.sol";
import {Category, GovernorSetup, IMLBridgeGovernor} from "../src/interfaces/IMLBridgeGovernor.sol";
import {GovernanceTest} from "./utils/GovernanceTest.sol";

/// @title What a proposal is about, and the bounds of its terms
contract GovernorCategoriesTest is GovernanceTest {
    // ---- declared and required ----

    function testDeclaringAnotherCategoryIsRefused() public {
        for (uint256 declared; declared < CATEGORIES; ++declared) {
            for (uint256 needed; needed < CATEGORIES; ++needed) {
                Proposal memory p = sample(Category(needed));
                assertEq(uint256(dao.requiredCategory(p.targets, p.values, p.calldatas)), needed);
                if (declared != needed && Category(declared) != Category.Governance) {
                    vm.expectRevert(
                        abi.encodeWithSelector(
                            IMLBridgeGovernor.WrongCategory.selector, Category(declared), Category(needed)
                        )
                    );
                }
                vm.prank(whale);
                dao.proposeIn(Category(declared), p.targets, p.values, p.calldatas, p.description);
            }
        }
    }

    function testProposeWithoutCategoryTakesTheOneRequired() public {
        for (uint256 i; i < CATEGORIES; ++i) {
            Proposal memory p = sample(Category(i));
            vm.prank(whale);
            uint256 id = dao.propose(p.targets, p.values, p.calldatas, p.description);
            (Category category, IMLBridgeGovernor.Terms memory t) = dao.proposalTerms(id);
            assertEq(uint256(category), i);
            assertEq(t.votingPeriod, termsOf(Category(i)).votingPeriod);
            assertEq(dao.proposalDeadline(id) - dao.proposalSnapshot(id), t.votingPeriod);
        }
    }

    function testTwoSubjectsTakeTheStrictestTerms() public {
        for (uint256 i; i < CATEGORIES; ++i) {
            for (uint256 j; j < CATEGORIES; ++j) {
                Proposal memory p = sample(Category(i));
                Proposal memory q = sample(Category(j));
                p = and(p, q.targets[0], q.values[0], q.calldatas[0]);
                Category found = dao.requiredCategory(p.targets, p.values, p.calldatas);
                assertEq(uint256(found), i == j ? i : uint256(Category.Governance));
            }
        }
    }

    // ---- grants ----

    function testAGrantAboveTheLimitIsEconomic() public view {
        _assertTransfer(GRANT_TOKENS, Category.Ecosystem);
        _assertTransfer(GRANT_TOKENS + 1, Category.Economic);
        _assertCoins(GRANT_COINS, Category.Ecosystem);
        _assertCoins(GRANT_COINS + 1, Category.Economic);
    }

    function testAGrantInPartsIsAsLargeAsTheirSum() public {
        Proposal memory p = proposal(address(token), abi.encodeCall(token.transfer, (stranger, GRANT_TOKENS)));
        p = and(p, stranger, GRANT_COINS, "");
        assertEq(_required(p), Category.Ecosystem);
        assertEq(_required(and(p, address(token), 0, abi.encodeCall(token.transfer, (keeper, 1)))), Category.Economic);
        assertEq(_required(and(p, keeper, 1, "")), Category.Economic);
        // Sums that would run over count as what they are: too much.
        assertEq(_required(and(p, keeper, type(uint256).max, "")), Category.Economic);
        bytes memory all = abi.encodeCall(token.transfer, (keeper, type(uint256).max));
        assertEq(_required(and(p, address(token), 0, all)), Category.Economic);
    }

    function testOnlyPlainTransfersAreGrants() public {
        bytes memory transfer = abi.encodeCall(token.transfer, (stranger, 1));
        assertEq(_required(proposal(address(token), transfer)), Category.Ecosystem);
        assertEq(_required(proposal(address(token), 1, transfer)), Category.Governance);
        assertEq(_required(proposal(address(token), bytes.concat(transfer, hex"00"))), Category.Governance);
        assertEq(_required(proposal(address(token), hex"a9059cbb")), Category.Governance);
        assertEq(_required(proposal(stranger, transfer)), Category.Governance);
        assertEq(_required(proposal(address(token), abi.encodeCall(token.approve, (stranger, 1)))), Category.Governance);
        bytes memory pull = abi.encodeCall(token.transferFrom, (address(timelock), stranger, 1));
        assertEq(_required(proposal(address(token), pull)), Category.Governance);
        assertEq(_required(proposal(address(token), hex"a9059c")), Category.Governance);
    }

    function testFuzzWhatIsNotListedIsOfTheStrictestCategory(address target, bytes4 selector, bytes memory rest)
        public
    {
        bytes memory data = bytes.concat(selector, rest);
        if (target == address(token) && selector == token.transfer.selector) selector = 0;
        vm.assume(dao.listed(target, selector) == Category.Governance);
        assertEq(_required(proposal(target, bytes.concat(selector, rest))), Category.Governance);
        assertEq(_required(proposal(target, 1, data)), Category.Governance, "coin that travels with a call");
    }

    function testListsOfDifferentLengthsAreRefused() public {
        Proposal memory p = sample(Category.Technical);
        address[] memory none = new address[](0);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidProposalLength.selector, 0, 1, 1));
        dao.requiredCategory(none, p.values, p.calldatas);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidProposalLength.selector, 1, 1, 2));
        dao.requiredCategory(p.targets, new uint256[](2), p.calldatas);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidProposalLength.selector, 1, 0, 1));
        dao.propose(p.targets, p.values, new bytes[](0), "");
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidProposalLength.selector, 0, 0, 0));
        dao.proposeIn(Category.Governance, none, new uint256[](0), new bytes[](0), "");
    }

    // ---- the table ----

    function testTheTableIsChangedByProposal() public {
        assertEq(dao.listed(address(ledger), ledger.fundReserve.selector), Category.Governance);
        bytes memory data =
            abi.encodeCall(dao.listCall, (address(ledger), ledger.fundReserve.selector, Category.Economic));
        carry(Category.Governance, proposal(address(dao), data));
        assertEq(dao.listed(address(ledger), ledger.fundReserve.selector), Category.Economic);
        assertEq(_required(proposal(address(ledger), abi.encodeCall(ledger.fundReserve, (0, 1)))), Category.Economic);
    }

    function testWhatHoldsPowerCannotBeListed() public {
        address[3] memory powers = [address(dao), address(timelock), address(manager)];
        for (uint256 i; i < powers.length; ++i) {
            bytes memory data = abi.encodeCall(dao.listCall, (powers[i], bytes4(0x12345678), Category.Ecosystem));
            Proposal memory p = proposal(address(dao), data);
            toQueue(Category.Governance, p);
            vm.warp(dao.proposalEta(p.id));
            vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.AlwaysGovernance.selector, powers[i]));
            execute(p);
        }
    }

    // ---- bounds of terms ----

    function testBoundsOfTerms() public {
        IMLBridgeGovernor.Terms memory t = termsOf(Category.Technical);
        t.votingDelay = 0;
        _assertBad(Category.Technical, t, "votingDelay");
        t.votingDelay = 60 days + 1;
        _assertBad(Category.Technical, t, "votingDelay");
        t = termsOf(Category.Technical);
        t.votingPeriod = 1 days - 1;
        _assertBad(Category.Technical, t, "votingPeriod");
        t.votingPeriod = 60 days + 1;
        _assertBad(Category.Technical, t, "votingPeriod");
        t = termsOf(Category.Technical);
        t.timelockDelay = uint32(LEAST_DELAY) - 1;
        _assertBad(Category.Technical, t, "timelockDelay");
        t.timelockDelay = 60 days + 1;
        _assertBad(Category.Technical, t, "timelockDelay");
        t = termsOf(Category.Technical);
        t.quorum = 0;
        _assertBad(Category.Technical, t, "quorum");
        t.quorum = 4_001;
        _assertBad(Category.Technical, t, "quorum");
        t = termsOf(Category.Technical);
        t.approval = 4_999;
        _assertBad(Category.Technical, t, "approval");
        t.approval = 8_001;
        _assertBad(Category.Technical, t, "approval");
        t = termsOf(Category.Technical);
        t.proposalThreshold = 0;
        _assertBad(Category.Technical, t, "proposalThreshold");
        t.proposalThreshold = 10_000_000e18 + 1;
        _assertBad(Category.Technical, t, "proposalThreshold");
        t = termsOf(Category.Technical);
        t.quorumFloor = 100_000_000e18 + 1;
        _assertBad(Category.Technical, t, "quorumFloor");
        t = termsOf(Category.Ecosystem);
        t.quorumFloor = 0;
        _assertBad(Category.Ecosystem, t, "quorumFloor");
    }

    function testStakersCanLeaveBeforeAChangeOfPower() public {
        IMLBridgeGovernor.Terms memory t = termsOf(Category.Governance);
        t.timelockDelay = uint32(UNBONDING);
        _assertBad(Category.Governance, t, "timelockDelay");
        t = termsOf(Category.Governance);
        (t.quadratic, t.quorumFloor) = (true, 1);
        _assertBad(Category.Governance, t, "quadratic");
    }

    function testAQuadraticVoteEndsBeforeStakeCanMove() public {
        IMLBridgeGovernor.Terms memory t = termsOf(Category.Ecosystem);
        t.votingPeriod = uint32(UNBONDING - 3 days);
        _assertBad(Category.Ecosystem, t, "votingPeriod");
        t.votingPeriod -= 1;
        carry(Category.Governance, proposal(address(dao), abi.encodeCall(dao.setTerms, (Category.Ecosystem, t))));
        assertEq(dao.terms(Category.Ecosystem).votingPeriod, UNBONDING - 3 days - 1);
    }

    // ---- construction ----

    function testConstructorRefusesWhatCannotWork() public {
        IMLBridgeGovernor.Listing[] memory rows = listings();
        IMLBridgeGovernor.Terms[CATEGORIES] memory all = allTerms();
        GovernorSetup memory s = setup();
        s.authority = address(0);
        vm.expectRevert(IMLBridgeGovernor.ZeroAddress.selector);
        this.make(s, all, rows);
        s = setup();
        s.roll = VoterRoll(address(0));
        vm.expectRevert(IMLBridgeGovernor.ZeroAddress.selector);
        this.make(s, all, rows);
        s = setup();
        s.guardianTerm = 0;
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.BadGuardianTerm.selector, 0));
        this.make(s, all, rows);
        s.guardianTerm = 365 days + 1;
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.BadGuardianTerm.selector, 365 days + 1));
        this.make(s, all, rows);
        s = setup();
        s.voteExtension = 3 days + 1;
        vm.expectPartialRevert(bytes4(keccak256("GovernorPreventLateQuorumVoteExtensionTooLarge(uint256,uint256)")));
        this.make(s, all, rows);
        s = setup();
        all[0].quorum = 0;
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.BadTerms.selector, Category.Technical, "quorum"));
        this.make(s, all, rows);
        all = allTerms();
        rows[0].target = address(timelock);
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.AlwaysGovernance.selector, address(timelock)));
        this.make(s, all, rows);
    }

    function testViewsForToolsShowTheStrictestCategory() public view {
        assertEq(dao.votingDelay(), 2 days);
        assertEq(dao.votingPeriod(), 7 days);
        assertEq(dao.proposalThreshold(), 5_000_000e18);
        assertEq(dao.quorum(vm.getBlockTimestamp() - 1), token.totalSupply() * 6 / 100);
        assertTrue(dao.proposalNeedsQueuing(0));
        assertEq(dao.CLOCK_MODE(), "mode=timestamp");
    }

    // ---- helpers ----

    function make(
        GovernorSetup memory s,
        IMLBridgeGovernor.Terms[CATEGORIES] memory all,
        IMLBridgeGovernor.Listing[] memory rows
    ) external returns (address) {
        return create("MLBridgeGovernor", abi.encode(s, all, rows));
    }

    function _assertBad(Category category, IMLBridgeGovernor.Terms memory t, string memory name) private {
        IMLBridgeGovernor.Terms[CATEGORIES] memory all = allTerms();
        all[uint256(category)] = t;
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.BadTerms.selector, category, name));
        this.make(setup(), all, listings());
    }

    function _assertTransfer(uint256 amount, Category expected) private view {
        (address[] memory targets, uint256[] memory values, bytes[] memory calldatas) =
            (new address[](1), new uint256[](1), new bytes[](1));
        (targets[0], calldatas[0]) = (address(token), abi.encodeCall(token.transfer, (stranger, amount)));
        assertEq(dao.requiredCategory(targets, values, calldatas), expected);
    }

    function _assertCoins(uint256 amount, Category expected) private view {
        (address[] memory targets, uint256[] memory values, bytes[] memory calldatas) =
            (new address[](1), new uint256[](1), new bytes[](1));
        (targets[0], values[0]) = (stranger, amount);
        assertEq(dao.requiredCategory(targets, values, calldatas), expected);
    }

    function _required(Proposal memory p) private view returns (Category) {
        return dao.requiredCategory(p.targets, p.values, p.calldatas);
    }

    function assertEq(Category actual, Category expected) private pure {
        assertEq(uint256(actual), uint256(expected), "category");
    }

    function assertEq(Category actual, Category expected, string memory what) private pure {
        assertEq(uint256(actual), uint256(expected), what);
    }
}
