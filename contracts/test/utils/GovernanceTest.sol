// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {MLBridgeGovernor} from "../../src/MLBridgeGovernor.sol";
import {VoterRoll} from "../../src/governance/VoterRoll.sol";
import {Category, GovernorSetup, IMLBridgeGovernor} from "../../src/interfaces/IMLBridgeGovernor.sol";
import {Role} from "../../src/interfaces/Types.sol";
import {BaseTest} from "./BaseTest.sol";

/// @title The whole system under its governor, and the steps of a proposal
abstract contract GovernanceTest is BaseTest {
    struct Proposal {
        uint256 id;
        address[] targets;
        uint256[] values;
        bytes[] calldatas;
        string description;
    }

    uint64 internal constant ADMIN = 0;
    uint64 internal constant PAUSER = 1;
    uint256 internal constant CATEGORIES = 4;
    uint256 internal constant LEAST_DELAY = 2 days;
    uint256 internal constant ROLL_MINIMUM = 10_000e18;
    uint256 internal constant MATURITY = 14 days;
    /// @dev 100 accounts at the roll's minimum.
    uint96 internal constant QUORUM_FLOOR = 100 * 1e11;
    uint256 internal constant GRANT_TOKENS = 250_000e18;
    uint256 internal constant GRANT_COINS = 10 ether;
    uint256 internal constant GRACE = 14 days;
    uint32 internal constant GUARDIAN_TERM = 180 days;
    uint8 internal constant AGAINST = 0;
    uint8 internal constant FOR = 1;
    uint8 internal constant ABSTAIN = 2;

    MLBridgeGovernor internal dao;
    TimelockController internal timelock;
    VoterRoll internal roll;

    address internal guardian = makeAddr("guardian");
    /// @dev Holds what every quorum and threshold needs, and delegates to itself.
    address internal whale = makeAddr("whale");
    uint256 private descriptions;

    function setUp() public virtual override {
        super.setUp();
        deployGovernance();
        // Votes are counted against the whole supply, of which the treasury has less than half.
        vm.prank(address(rewardPool));
        token.transfer(treasury, 350_000_000e18);
        giveVotes(whale, 100_000_000e18);
    }

    // ---- deployment ----

    function termsOf(Category category) internal pure returns (IMLBridgeGovernor.Terms memory) {
        if (category == Category.Technical) {
            return IMLBridgeGovernor.Terms(1 days, 5 days, 3 days, 300, 5_000, false, 1_000_000e18, 0);
        }
        if (category == Category.Economic) {
            return IMLBridgeGovernor.Terms(2 days, 7 days, 7 days, 400, 5_000, false, 2_000_000e18, 0);
        }
        if (category == Category.Governance) {
            return IMLBridgeGovernor.Terms(2 days, 7 days, 15 days, 600, 6_666, false, 5_000_000e18, 0);
        }
        return IMLBridgeGovernor.Terms(1 days, 5 days, 2 days, 1_000, 5_000, true, 100_000e18, QUORUM_FLOOR);
    }

    function setup() internal view returns (GovernorSetup memory) {
        return GovernorSetup({
            token: token,
            timelock: timelock,
            authority: address(manager),
            distributor: ledger,
            roll: roll,
            guardian: guardian,
            guardianTerm: GUARDIAN_TERM,
            voteExtension: 1 days,
            leastVotingPeriod: 1 days,
            tokenGrantLimit: GRANT_TOKENS,
            coinGrantLimit: GRANT_COINS,
            voteRecorder: address(rewardPool)
        });
    }

    function allTerms() internal pure returns (IMLBridgeGovernor.Terms[CATEGORIES] memory all) {
        for (uint256 i; i < CATEGORIES; ++i) {
            all[i] = termsOf(Category(i));
        }
    }

    function listings() internal view returns (IMLBridgeGovernor.Listing[] memory rows) {
        rows = new IMLBridgeGovernor.Listing[](7);
        rows[0] = IMLBridgeGovernor.Listing(address(tasks), tasks.setParameters.selector, Category.Technical);
        rows[1] = IMLBridgeGovernor.Listing(address(registry), registry.setSuspended.selector, Category.Technical);
        rows[2] = IMLBridgeGovernor.Listing(address(bridge), bridge.pause.selector, Category.Technical);
        rows[3] = IMLBridgeGovernor.Listing(address(bridge), bridge.unpause.selector, Category.Technical);
        rows[4] = IMLBridgeGovernor.Listing(address(ledger), ledger.setJudgeFee.selector, Category.Economic);
        rows[5] = IMLBridgeGovernor.Listing(address(ledger), ledger.assignProtocolFees.selector, Category.Economic);
        rows[6] = IMLBridgeGovernor.Listing(address(ledger), ledger.allocateReserve.selector, Category.Economic);
    }

    /// @dev As contracts/governance.py does it: nothing is left to the deployer in the end.
    function deployGovernance() internal {
        address[] memory nobody = new address[](0);
        timelock = TimelockController(
            payable(create("TimelockController", abi.encode(LEAST_DELAY, nobody, nobody, address(this))))
        );
        roll = VoterRoll(create("VoterRoll", abi.encode(address(ledger), ROLL_MINIMUM, MATURITY)));
        dao = MLBridgeGovernor(payable(create("MLBridgeGovernor", abi.encode(setup(), allTerms(), listings()))));
        timelock.grantRole(timelock.PROPOSER_ROLE(), address(dao));
        timelock.grantRole(timelock.EXECUTOR_ROLE(), address(dao));
        timelock.grantRole(timelock.CANCELLER_ROLE(), address(dao));
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));

        bytes4[] memory pausing = new bytes4[](1);
        pausing[0] = bridge.pause.selector;
        vm.startPrank(governor);
        manager.setTargetFunctionRole(address(bridge), pausing, PAUSER);
        manager.grantRole(PAUSER, address(dao), 0);
        manager.grantRole(PAUSER, address(timelock), 0);
        manager.grantRole(ADMIN, address(timelock), 0);
        rewardPool.setVoteRecorder(address(dao));
        manager.renounceRole(ADMIN, governor);
        vm.stopPrank();
    }

    function create(string memory name, bytes memory arguments) internal returns (address created) {
        bytes memory code = bytes.concat(creationCode(name), arguments);
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
            if iszero(created) {
                returndatacopy(mload(0x40), 0, returndatasize())
                revert(mload(0x40), returndatasize())
            }
        }
    }

    // ---- voters ----

    /// @dev MLB that its holder votes with from the next second on.
    function giveVotes(address who, uint256 amount) internal {
        vm.prank(treasury);
        token.transfer(who, amount);
        vm.prank(who);
        token.delegate(who);
        skip(1);
    }

    /// @dev Stake that its holder votes with quadratically, once it is mature.
    function enrolAs(address who, uint256 amount) internal {
        stakeAs(who, Role.Holder, amount);
        vm.prank(who);
        roll.enrol();
    }

    /// @dev `count` accounts with the same stake, mature.
    function addRoll(uint256 count, uint256 amount) internal returns (address[] memory members) {
        members = new address[](count);
        for (uint256 i; i < count; ++i) {
            members[i] = makeAddr(string.concat("member ", vm.toString(i)));
            enrolAs(members[i], amount);
        }
        skip(MATURITY + 1);
    }

    // ---- proposals ----

    function proposal(address target, uint256 value, bytes memory data) internal returns (Proposal memory p) {
        p.targets = new address[](1);
        p.values = new uint256[](1);
        p.calldatas = new bytes[](1);
        (p.targets[0], p.values[0], p.calldatas[0]) = (target, value, data);
        p.description = string.concat("proposal ", vm.toString(++descriptions));
    }

    function proposal(address target, bytes memory data) internal returns (Proposal memory) {
        return proposal(target, 0, data);
    }

    function and(Proposal memory p, address target, uint256 value, bytes memory data)
        internal
        pure
        returns (Proposal memory both)
    {
        uint256 count = p.targets.length;
        both.description = p.description;
        both.targets = new address[](count + 1);
        both.values = new uint256[](count + 1);
        both.calldatas = new bytes[](count + 1);
        for (uint256 i; i < count; ++i) {
            (both.targets[i], both.values[i], both.calldatas[i]) = (p.targets[i], p.values[i], p.calldatas[i]);
        }
        (both.targets[count], both.values[count], both.calldatas[count]) = (target, value, data);
    }

    /// @dev One that changes something, for each category; it needs the category and no other.
    function sample(Category category) internal returns (Proposal memory) {
        if (category == Category.Technical) {
            return proposal(address(tasks), abi.encodeCall(tasks.setParameters, (parameters())));
        }
        if (category == Category.Economic) {
            return proposal(address(ledger), abi.encodeCall(ledger.setJudgeFee, (7e18)));
        }
        if (category == Category.Governance) {
            return proposal(address(dao), abi.encodeCall(dao.setGrantLimits, (GRANT_TOKENS, 2)));
        }
        return proposal(address(token), abi.encodeCall(token.transfer, (stranger, 5e18)));
    }

    function propose(address who, Category category, Proposal memory p) internal returns (uint256) {
        vm.prank(who);
        p.id = dao.proposeIn(category, p.targets, p.values, p.calldatas, p.description);
        return p.id;
    }

    function openVote(uint256 id) internal {
        vm.warp(dao.proposalSnapshot(id) + 1);
    }

    function closeVote(uint256 id) internal {
        vm.warp(dao.proposalDeadline(id) + 1);
    }

    function vote(address who, uint256 id, uint8 support) internal {
        vm.prank(who);
        dao.castVote(id, support);
    }

    function queue(Proposal memory p) internal {
        dao.queue(p.targets, p.values, p.calldatas, keccak256(bytes(p.description)));
    }

    function execute(Proposal memory p) internal {
        dao.execute(p.targets, p.values, p.calldatas, keccak256(bytes(p.description)));
    }

    function cancelAs(address who, Proposal memory p) internal {
        vm.prank(who);
        dao.cancel(p.targets, p.values, p.calldatas, keccak256(bytes(p.description)));
    }

    function voteThrough(Proposal memory p, address[] memory voters) internal {
        openVote(p.id);
        for (uint256 i; i < voters.length; ++i) {
            vote(voters[i], p.id, FOR);
        }
        closeVote(p.id);
    }

    /// @dev Proposed and voted for by the whale, in a category whose votes are not quadratic.
    function toQueue(Category category, Proposal memory p) internal {
        propose(whale, category, p);
        voteThrough(p, asList(whale));
        queue(p);
    }

    /// @dev From proposal to executed change.
    function carry(Category category, Proposal memory p) internal {
        toQueue(category, p);
        vm.warp(dao.proposalEta(p.id));
        execute(p);
    }

    function asList(address one) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = one;
    }

    function assertState(uint256 id, IGovernor.ProposalState expected) internal view {
        assertEq(uint256(dao.state(id)), uint256(expected), "proposal state");
    }
}
