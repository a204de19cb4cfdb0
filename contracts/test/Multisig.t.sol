// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";

import {Category} from "../src/interfaces/IMLBridgeGovernor.sol";
import {IConsensusVerifier} from "../src/interfaces/IConsensusVerifier.sol";
import {Policy, Role, Seat, TaskStatus} from "../src/interfaces/Types.sol";
import {GovernanceTest} from "./utils/GovernanceTest.sol";
import {Multisig} from "./utils/Multisig.sol";

/// @title Accounts of several owners in every part that a person can play
contract MultisigTest is GovernanceTest {
    uint256 private constant OWNERS = 3;
    uint256 private constant NEEDED = 2;

    Multisig private safe;
    uint256[] private keys;

    function setUp() public override {
        super.setUp();
        address[] memory owners = new address[](OWNERS);
        for (uint256 i; i < OWNERS; ++i) {
            (address owner, uint256 key) = makeAddrAndKey(string.concat("owner ", vm.toString(i)));
            uint256 place = keys.length;
            keys.push(key);
            owners[i] = owner;
            while (place > 0 && vm.addr(keys[place - 1]) > owner) {
                (keys[place], keys[place - 1]) = (keys[place - 1], keys[place]);
                --place;
            }
        }
        safe = new Multisig(owners, NEEDED);
        addPool(4, 0);
    }

    // ---- requester ----

    function testRequesterIsPaidBackThoughItsReceiverNeedsGas() public {
        vm.deal(address(safe), 2 ether);
        uint256 payment = bridge.quote(exactModel, 3);
        uint256 deadline = vm.getBlockTimestamp() + 600;
        bytes32 taskId = abi.decode(
            _execute(
                address(bridge),
                payment,
                abi.encodeCall(bridge.submitTaskWith, (exactModel, INPUT, deadline, 3, "salt"))
            ),
            (bytes32)
        );
        assertEq(tasks.getTask(taskId).requester, address(safe));
        _execute(address(bridge), 0, abi.encodeCall(bridge.cancelTask, (taskId)));
        uint256 before = safe.received();
        vm.prank(stranger);
        ledger.claim(address(safe));
        assertEq(safe.received(), before + 1, "its receiver wrote two words");
        assertEq(safe.payerOf(before + 1), address(bridge));
        assertEq(address(safe).balance, 2 ether);
    }

    // ---- model provider ----

    function testModelProviderRegistersAndIsPaid() public {
        _fund(10_000e18);
        _execute(address(ledger), 0, abi.encodeCall(ledger.stake, (Role.ModelProvider, 10_000e18)));
        bytes memory metadata = abi.encode(uint8(Policy.Exact), CLASS, "of several");
        bytes32 model = abi.decode(
            _execute(address(registry), 0, abi.encodeCall(registry.registerModel, ("cid", MODEL_PRICE, metadata))),
            (bytes32)
        );
        for (uint256 i; i < 4; ++i) {
            serve(operators[i], model);
        }
        nextEpoch();
        bytes32 taskId = begin(model, 3);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
        assertEq(ledger.claimable(address(safe)), MODEL_PRICE);
        ledger.claim(address(safe));
        assertEq(address(safe).balance, MODEL_PRICE);
    }

    // ---- compute provider ----

    function testOperatorStakesServesEarnsAndLeaves() public {
        uint32 account = _operator(vm.addr(0xA11CE), consentOf(0xA11CE, address(safe)));
        assertEq(ledger.accounts(account).operator, address(safe));
        bytes32 taskId = _seated(account);
        playRound(taskId, RIGHT);
        assertStatus(taskId, TaskStatus.Finalized);
        assertGt(ledger.claimable(address(safe)), 0);
        ledger.claim(address(safe));
        assertEq(safe.payerOf(safe.received()), address(bridge));
        _execute(address(ledger), 0, abi.encodeCall(ledger.requestUnbond, (Role.Compute, 20 * COMPUTE_MIN)));
        skip(UNBONDING);
        _execute(address(ledger), 0, abi.encodeCall(ledger.withdraw, (Role.Compute)));
        assertEq(token.balanceOf(address(safe)), 20 * COMPUTE_MIN);
    }

    /// @dev A permit is signed with a key, which a contract has not; the allowance it gave counts all the same.
    function testStakeWithPermitFallsBackOnTheAllowance() public {
        _fund(COMPUTE_MIN);
        bytes memory stake = abi.encodeCall(
            ledger.stakeWithPermit,
            (Role.Compute, COMPUTE_MIN, type(uint256).max, uint8(27), bytes32("r"), bytes32("s"))
        );
        _execute(address(ledger), 0, stake);
        assertEq(ledger.stakeOf(address(safe), Role.Compute), COMPUTE_MIN);
    }

    // ---- a node key that is a contract ----

    function testContradictionOfAContractIsPunished() public {
        uint32 account = _operator(address(safe), _sign(consentHash(address(safe), address(safe))));
        IConsensusVerifier.SignedAttestation memory a = _attest(account, "a");
        IConsensusVerifier.SignedAttestation memory b = _attest(account, "b");
        vm.prank(stranger);
        verifier.reportContradiction(a, b);
        assertEq(bondedOf(account), 0);
        assertEq(ledger.claimableTokens(stranger), 20 * COMPUTE_MIN / 10);
    }

    function testNobodyElseSpeaksForAContract() public {
        uint32 account = _operator(address(safe), _sign(consentHash(address(safe), address(safe))));
        IConsensusVerifier.SignedAttestation memory a = _attest(account, "a");
        IConsensusVerifier.SignedAttestation memory b = _attest(account, "b");
        bytes memory right = b.signature;
        // One owner is not enough, nor is one owner twice, nor the signature of something else.
        bytes[4] memory wrong = [_signWith(0, "x"), _twice(b), a.signature, bytes("")];
        for (uint256 i; i < wrong.length; ++i) {
            b.signature = wrong[i];
            vm.expectRevert(IConsensusVerifier.BadSignature.selector);
            verifier.reportContradiction(a, b);
        }
        // A contract that is nobody's key says yes to everything and proves nothing.
        b.signature = right;
        b.signer = address(new Yes());
        vm.expectRevert(IConsensusVerifier.BadSignature.selector);
        verifier.reportContradiction(a, b);
        assertEq(bondedOf(account), 20 * COMPUTE_MIN);
    }

    // ---- proposer and voter ----

    function testProposesVotesQueuesAndExecutes() public {
        vm.prank(treasury);
        token.transfer(address(safe), 60_000_000e18);
        _execute(address(token), 0, abi.encodeCall(token.delegate, (address(safe))));
        skip(1);
        Proposal memory p = sample(Category.Economic);
        bytes memory data =
            abi.encodeCall(dao.proposeIn, (Category.Economic, p.targets, p.values, p.calldatas, p.description));
        p.id = abi.decode(_execute(address(dao), 0, data), (uint256));
        openVote(p.id);
        _execute(address(dao), 0, abi.encodeCall(dao.castVote, (p.id, FOR)));
        closeVote(p.id);
        bytes32 hash = keccak256(bytes(p.description));
        _execute(address(dao), 0, abi.encodeCall(dao.queue, (p.targets, p.values, p.calldatas, hash)));
        vm.warp(dao.proposalEta(p.id));
        _execute(address(dao), 0, abi.encodeCall(dao.execute, (p.targets, p.values, p.calldatas, hash)));
        assertState(p.id, IGovernor.ProposalState.Executed);
        assertEq(ledger.judgeFee(), 7e18);
    }

    function testVotesBySignatureOfItsOwners() public {
        giveVotesTo(address(safe), 50_000_000e18);
        uint256 id = propose(whale, Category.Technical, sample(Category.Technical));
        openVote(id);
        bytes memory signed = _sign(_ballotHash(id, FOR));
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, address(safe)));
        dao.castVoteBySig(id, AGAINST, address(safe), signed);
        vm.prank(stranger);
        dao.castVoteBySig(id, FOR, address(safe), signed);
        (, uint256 for_,) = dao.proposalVotes(id);
        assertEq(for_, 50_000_000e18);
    }

    function testVotesQuadratically() public {
        _fund(40_000e18);
        _execute(address(ledger), 0, abi.encodeCall(ledger.stake, (Role.Holder, 40_000e18)));
        _execute(address(roll), 0, abi.encodeCall(roll.enrol, ()));
        skip(MATURITY + 1);
        uint256 id = propose(whale, Category.Ecosystem, sample(Category.Ecosystem));
        openVote(id);
        _execute(address(dao), 0, abi.encodeCall(dao.castVote, (id, FOR)));
        (, uint256 for_,) = dao.proposalVotes(id);
        assertEq(for_, 2e11);
    }

    function testActsAsGuardian() public {
        carry(Category.Governance, proposal(address(dao), abi.encodeCall(dao.setProposalGuardian, (address(safe)))));
        _execute(address(dao), 0, abi.encodeCall(dao.emergencyPause, (address(bridge))));
        assertTrue(bridge.paused());
        Proposal memory p = sample(Category.Technical);
        propose(whale, Category.Technical, p);
        bytes32 hash = keccak256(bytes(p.description));
        _execute(address(dao), 0, abi.encodeCall(dao.cancel, (p.targets, p.values, p.calldatas, hash)));
        assertState(p.id, IGovernor.ProposalState.Canceled);
    }

    // ---- helpers ----

    function giveVotesTo(address who, uint256 amount) private {
        giveVotes(keeper, amount);
        vm.prank(keeper);
        token.delegate(who);
        skip(1);
    }

    /// @dev MLB that the ledger may take.
    function _fund(uint256 amount) private {
        vm.prank(treasury);
        token.transfer(address(safe), amount);
        _execute(address(token), 0, abi.encodeCall(token.approve, (address(ledger), amount)));
    }

    function _operator(address node, bytes memory consent) private returns (uint32 account) {
        _fund(20 * COMPUTE_MIN);
        _execute(address(ledger), 0, abi.encodeCall(ledger.stake, (Role.Compute, 20 * COMPUTE_MIN)));
        account = ledger.accountId(address(safe), Role.Compute);
        _execute(address(tasks), 0, abi.encodeCall(tasks.setNodeKey, (node, true, consent)));
        nodeOf[account] = node;
        _execute(address(tasks), 0, abi.encodeCall(tasks.serveModel, (exactModel, account, CLASS)));
        nextEpoch();
    }

    /// @dev A task on whose committee the account sits.
    function _seated(uint32 account) private returns (bytes32 taskId) {
        for (uint256 i; i < 20; ++i) {
            taskId = begin(exactModel, 3);
            Seat[] memory seats = committee(taskId);
            for (uint256 j; j < seats.length; ++j) {
                if (seats[j].account == account) return taskId;
            }
        }
        fail("never drawn");
    }

    function _execute(address target, uint256 value, bytes memory data) private returns (bytes memory) {
        bytes memory signatures = _sign(safe.callHash(target, value, data, safe.nonce()));
        return safe.execute(target, value, data, signatures);
    }

    function _sign(bytes32 hash) private view returns (bytes memory) {
        return bytes.concat(_signWith(0, hash), _signWith(1, hash));
    }

    function _signWith(uint256 owner, bytes32 hash) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[owner], hash);
        return abi.encodePacked(r, s, v);
    }

    function _attest(uint32 account, bytes32 digest)
        private
        view
        returns (IConsensusVerifier.SignedAttestation memory)
    {
        IConsensusVerifier.Attestation memory said = IConsensusVerifier.Attestation("task", 0, account, digest);
        return IConsensusVerifier.SignedAttestation(said, address(safe), _sign(verifier.attestationHash(said)));
    }

    function _twice(IConsensusVerifier.SignedAttestation memory said) private view returns (bytes memory) {
        bytes memory one = _signWith(0, verifier.attestationHash(said.attestation));
        return bytes.concat(one, one);
    }

    function _ballotHash(uint256 id, uint8 support) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ML Bridge Governor"),
                keccak256("1"),
                block.chainid,
                address(dao)
            )
        );
        bytes32 ballot = keccak256(abi.encode(dao.BALLOT_TYPEHASH(), id, support, address(safe), 0));
        return keccak256(abi.encodePacked(hex"1901", domain, ballot));
    }
}

/// @dev Takes anything for its own signature.
contract Yes {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return this.isValidSignature.selector;
    }
}

