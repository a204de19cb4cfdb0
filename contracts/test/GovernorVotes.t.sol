// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

import {Category, IMLBridgeGovernor} from "../src/interfaces/IMLBridgeGovernor.sol";
import {GovernanceTest} from "./utils/GovernanceTest.sol";

/// @title Who votes, with what weight, and how often
contract GovernorVotesTest is GovernanceTest {
    address private second = makeAddr("second");

    function setUp() public override {
        super.setUp();
        vm.prank(treasury);
        token.transfer(address(timelock), 10_000_000e18);
    }

    // ---- votes ----

    function testVotesAreThoseDelegatedWhenTheVoteOpens() public {
        vm.prank(treasury);
        token.transfer(second, 50_000_000e18);
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        vm.prank(second);
        token.delegate(stranger);
        openVote(id);
        // Moved on after the vote opened: it counts for whom it was delegated to, once.
        vm.prank(second);
        token.transfer(keeper, 50_000_000e18);
        vm.prank(keeper);
        token.delegate(keeper);
        assertEq(dao.votingWeight(id, stranger), 50_000_000e18);
        vote(stranger, id, FOR);
        (, uint256 for_,) = dao.proposalVotes(id);
        assertEq(for_, 50_000_000e18);
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.NoVotingPower.selector, keeper));
        vm.prank(keeper);
        dao.castVote(id, FOR);
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.NoVotingPower.selector, second));
        vm.prank(second);
        dao.castVote(id, FOR);
    }

    function testOneVoteAnAccountAndOnlyWhileTheVoteIsOpen() public {
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        vm.prank(whale);
        dao.castVote(id, FOR);
        openVote(id);
        vote(whale, id, FOR);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorAlreadyCastVote.selector, whale));
        vm.prank(whale);
        dao.castVote(id, AGAINST);
        giveVotes(second, 1e18);
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.NoVotingPower.selector, second));
        vm.prank(second);
        dao.castVote(id, FOR);
        closeVote(id);
        vm.expectPartialRevert(IGovernor.GovernorUnexpectedProposalState.selector);
        vm.prank(second);
        dao.castVote(id, FOR);
    }

    function testAVoteOfAnUnknownKindIsRefused() public {
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        openVote(id);
        vm.expectRevert(IGovernor.GovernorInvalidVoteType.selector);
        vm.prank(whale);
        dao.castVote(id, 3);
    }

    function testSignedVotesCountOnceAndForNobodyElse() public {
        (address signer, uint256 key) = makeAddrAndKey("signer");
        giveVotes(signer, 40_000_000e18);
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        openVote(id);
        bytes memory signature = _ballot(key, id, FOR, signer, 0);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, signer));
        dao.castVoteBySig(id, AGAINST, signer, signature);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, whale));
        dao.castVoteBySig(id, FOR, whale, signature);
        vm.prank(stranger);
        dao.castVoteBySig(id, FOR, signer, signature);
        assertTrue(dao.hasVoted(id, signer));
        (, uint256 for_,) = dao.proposalVotes(id);
        assertEq(for_, 40_000_000e18);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, signer));
        dao.castVoteBySig(id, FOR, signer, signature);
    }

    function testALateQuorumLeavesTimeToAnswer() public {
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        vm.warp(dao.proposalDeadline(id));
        vote(whale, id, FOR);
        assertEq(dao.proposalDeadline(id), vm.getBlockTimestamp() + 1 days);
    }

    // ---- quadratic votes ----

    function testManySmallStakesOutvoteOneOfTheSameSize() public {
        enrolAs(second, 40_000e18 * 64);
        address[] memory members = addRoll(64, 40_000e18);
        Proposal memory p = sample(Category.Ecosystem);
        uint256 id = propose(whale, Category.Ecosystem, p);
        openVote(id);
        vote(second, id, AGAINST);
        for (uint256 i; i < members.length; ++i) {
            vote(members[i], id, FOR);
        }
        (uint256 against, uint256 for_,) = dao.proposalVotes(id);
        assertEq(against, 16e11, "the root of 64 x 4e22");
        assertEq(for_, 64 * 2e11, "64 roots of 4e22");
        assertEq(dao.votingWeight(id, members[0]), 2e11);
        // Delegated votes, however many, are no stake.
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.NoVotingPower.selector, whale));
        vm.prank(whale);
        dao.castVote(id, AGAINST);
        closeVote(id);
        queue(p);
        vm.warp(dao.proposalEta(id));
        execute(p);
        assertEq(token.balanceOf(stranger), 5e18);
    }

    function testQuadraticQuorumIsOfTheRollAndHasAFloor() public {
        address[] memory members = addRoll(3, 40_000e18);
        uint256 id = propose(whale, Category.Ecosystem, sample(Category.Ecosystem));
        openVote(id);
        assertEq(dao.proposalQuorum(id), QUORUM_FLOOR, "the floor");
        for (uint256 i; i < 3; ++i) {
            vote(members[i], id, FOR);
        }
        closeVote(id);
        assertState(id, IGovernor.ProposalState.Defeated);
        enrolAs(second, 100_000_000e18);
        enrolAs(keeper, 25_000_000e18);
        skip(MATURITY);
        id = propose(whale, Category.Ecosystem, sample(Category.Ecosystem));
        openVote(id);
        uint256 total = 3 * 2e11 + 1e13 + 5e12;
        assertEq(roll.totalWeightAt(dao.proposalSnapshot(id)), total);
        assertEq(dao.proposalQuorum(id), QUORUM_FLOOR);
        for (uint256 i = 3; i < 80; ++i) {
            enrolAs(makeAddr(string.concat("member ", vm.toString(i))), 4_000_000e18);
        }
        skip(MATURITY);
        id = propose(whale, Category.Ecosystem, sample(Category.Ecosystem));
        openVote(id);
        assertEq(dao.proposalQuorum(id), (total + 77 * 2e12) / 10, "a tenth of the roll");
    }

    function testStakeBoughtForAProposalDoesNotCount() public {
        addRoll(25, 40_000e18);
        uint256 id = propose(whale, Category.Ecosystem, sample(Category.Ecosystem));
        enrolAs(second, 50_000_000e18);
        openVote(id);
        vm.expectRevert(abi.encodeWithSelector(IMLBridgeGovernor.NoVotingPower.selector, second));
        vm.prank(second);
        dao.castVote(id, FOR);
    }

    // ---- helpers ----

    function _ballot(uint256 key, uint256 id, uint8 support, address voter, uint256 nonce)
        private
        view
        returns (bytes memory)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ML Bridge Governor"),
                keccak256("1"),
                block.chainid,
                address(dao)
            )
        );
        bytes32 ballot = keccak256(abi.encode(dao.BALLOT_TYPEHASH(), id, support, voter, nonce));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, ballot)));
        return abi.encodePacked(r, s, v);
    }
}
