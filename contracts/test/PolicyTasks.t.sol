// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {PolicyRegistry} from "../src/adapters/PolicyRegistry.sol";
import {ProofAdapter} from "../src/adapters/ProofAdapter.sol";
import {Claim, IPolicyRegistry} from "../src/interfaces/IPolicyAdapter.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Seat, TaskStatus, Verdict} from "../src/interfaces/Types.sol";
import {BaseTest} from "./utils/BaseTest.sol";
import {HostileVerifier} from "./utils/HostileVerifier.sol";

/// @dev Closes rounds by evidence instead of a tally: what would stand in the ConsensusVerifier's place.
contract ProofDesk {
    IPolicyRegistry private immutable policies;
    ITaskManager private immutable tasks;

    constructor(IPolicyRegistry policies_, ITaskManager tasks_) {
        (policies, tasks) = (policies_, tasks_);
    }

    function close(bytes32 taskId, uint8 policy, Claim calldata claim, uint8 seat, bytes calldata evidence) external {
        Verdict memory found = policies.verdict(policy, claim, seat, evidence);
        tasks.applyVerdict(taskId, found, msg.sender);
    }
}

/// @title A task whose verdict comes from an adapter: no verifier, however hostile, holds it up
contract PolicyTasksTest is BaseTest {
    uint8 private constant PROOF = 3;
    uint256 private constant VERIFIER_GAS = 1_000_000;

    PolicyRegistry private policies;
    ProofAdapter private proofs;
    HostileVerifier private prover;
    ProofDesk private desk;
    uint256[] private input = [1, 2, 3];
    uint256[] private output = [4, 5];

    function setUp() public override {
        super.setUp();
        addPool(3, 9);
        policies = new PolicyRegistry(address(manager));
        proofs = new ProofAdapter(address(manager));
        prover = new HostileVerifier();
        vm.startPrank(governor);
        policies.setAdapter(PROOF, address(proofs), 3_000_000);
        proofs.setCircuit(exactModel, address(prover), VERIFIER_GAS);
        vm.stopPrank();
    }

    /// @dev A round whose last seat committed and says nothing, with its time over: the desk stands where the tally did.
    function _waiting() private returns (bytes32 taskId) {
        bytes memory result = abi.encode(output);
        taskId = submit(exactModel, 3, tasks.quote(exactModel, 3), inline_(abi.encode(input)), 600);
        draw(taskId);
        commitAll(taskId, result);
        Seat[] memory seats = committee(taskId);
        revealAs(seats[0].account, taskId, result);
        revealAs(seats[1].account, taskId, result);
        passPhase(taskId);
        assertStatus(taskId, TaskStatus.Revealing);
        desk = ProofDesk(address(verifier));
        vm.etch(address(verifier), address(new ProofDesk(policies, tasks)).code);
    }

    function _close(bytes32 taskId) private {
        Claim memory claim = Claim({
            modelId: exactModel,
            inputHash: keccak256(inline_(abi.encode(input))),
            taskId: taskId,
            payloadRoot: keccak256(abi.encode(output))
        });
        uint256[] memory all = new uint256[](5);
        (all[0], all[1], all[2], all[3], all[4]) = (input[0], input[1], input[2], output[0], output[1]);
        bytes memory proof = abi.encode(keccak256(abi.encode(all)));
        vm.prank(keeper);
        desk.close(taskId, PROOF, claim, 0, abi.encode(proof, input, output));
    }

    function test_AGoodProofFinalizesTheTask() public {
        bytes32 taskId = _waiting();
        _close(taskId);
        assertStatus(taskId, TaskStatus.Finalized);
    }

    /// @dev It reverts with a word or a megabyte, burns all its gas, says no, nothing, rubbish or a megabyte.
    function test_NoVerifierHoldsATaskUp() public {
        bytes32 taskId = _waiting();
        uint256 id = vm.snapshotState();
        for (uint8 mode = 1; mode <= uint8(type(HostileVerifier.Mode).max); ++mode) {
            prover.set(HostileVerifier.Mode(mode));
            uint256 before = gasleft();
            _close(taskId);
            assertLt(before - gasleft(), 2 * VERIFIER_GAS, "it spends its own gas and no more");
            assertStatus(taskId, TaskStatus.Escalated);
            vm.revertToState(id);
        }
    }

    function test_NeitherDoesAnAdapterThatIsNone() public {
        bytes32 taskId = _waiting();
        vm.prank(governor);
        policies.setAdapter(PROOF, address(0), 0);
        _close(taskId);
        assertStatus(taskId, TaskStatus.Escalated);
    }
}
