// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {AttestationAdapter} from "../src/adapters/AttestationAdapter.sol";
import {PolicyRegistry} from "../src/adapters/PolicyRegistry.sol";
import {ProofAdapter} from "../src/adapters/ProofAdapter.sol";
import {Claim, Finding, IPolicyRegistry} from "../src/interfaces/IPolicyAdapter.sol";
import {Verdict} from "../src/interfaces/Types.sol";
import {BoundedCall} from "../src/libraries/BoundedCall.sol";
import {Hashing} from "../src/libraries/Hashing.sol";
import {HostileVerifier} from "./utils/HostileVerifier.sol";
import {Test} from "./utils/Test.sol";

/// @dev An adapter that breaks the promise never to revert, and one that answers nonsense.
contract BrokenAdapter {
    fallback(bytes calldata) external returns (bytes memory) {
        return abi.encode(uint256(7));
    }
}

/// @title Policies without a committee: evidence that is bad in any way is refused, and costs nobody else anything
contract PolicyAdaptersTest is Test {
    uint8 private constant PROOF = 3;
    uint8 private constant ATTESTED = 4;
    bytes32 private constant MODEL = keccak256("model");
    bytes32 private constant TASK = keccak256("task");
    bytes32 private constant MEASUREMENT = keccak256("enclave");

    address private governor = makeAddr("governor");
    address private stranger = makeAddr("stranger");
    AccessManager private manager;
    PolicyRegistry private policies;
    ProofAdapter private proofs;
    AttestationAdapter private attestations;
    HostileVerifier private verifier;
    uint256[] private input = [1, 2, 3];
    uint256[] private output = [4, 5];

    function setUp() public {
        manager = new AccessManager(governor);
        policies = new PolicyRegistry(address(manager));
        proofs = new ProofAdapter(address(manager));
        attestations = new AttestationAdapter(address(manager));
        verifier = new HostileVerifier();
        vm.startPrank(governor);
        policies.setAdapter(PROOF, address(proofs), 3_000_000);
        policies.setAdapter(ATTESTED, address(attestations), 3_000_000);
        proofs.setCircuit(MODEL, address(verifier), 1_000_000);
        attestations.setQuoteVerifier(address(verifier), 1_000_000);
        attestations.setAllowList(_root());
        vm.stopPrank();
        verifier.say(MEASUREMENT, Hashing.digest(TASK, _claim().payloadRoot));
    }

    function _claim() private view returns (Claim memory) {
        return Claim({
            modelId: MODEL,
            inputHash: keccak256(bytes.concat(hex"00", abi.encode(input))),
            taskId: TASK,
            payloadRoot: keccak256(abi.encode(output))
        });
    }

    function _evidence() private view returns (bytes memory) {
        uint256[] memory all = new uint256[](5);
        for (uint256 i; i < 5; ++i) {
            all[i] = i < 3 ? input[i] : output[i - 3];
        }
        return abi.encode(abi.encode(keccak256(abi.encode(all))), input, output);
    }

    function _leaf(bytes32 model, bytes32 measurement) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(model, measurement))));
    }

    function _other() private pure returns (bytes32) {
        return _leaf(keccak256("other model"), keccak256("other enclave"));
    }

    function _root() private pure returns (bytes32) {
        (bytes32 a, bytes32 b) = (_leaf(MODEL, MEASUREMENT), _other());
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function _quoteEvidence() private pure returns (bytes memory) {
        bytes32[] memory path = new bytes32[](1);
        path[0] = _other();
        return abi.encode(bytes("quote"), path);
    }

    function _find(uint8 policy, Claim memory claim, bytes memory evidence) private view returns (Finding) {
        return policies.finding(policy, claim, evidence);
    }

    function _assertFinding(Finding found, Finding expected) private pure {
        assertEq(uint256(found), uint256(expected), "finding");
    }

    // ---- proofs ----

    function test_AProofOfThisInputAndOutputIsAccepted() public view {
        _assertFinding(_find(PROOF, _claim(), _evidence()), Finding.Accept);
    }

    function test_AProofOfSomethingElseIsRejected() public {
        Claim memory claim = _claim();
        claim.payloadRoot = keccak256("other output");
        _assertFinding(_find(PROOF, claim, _evidence()), Finding.Reject);
        claim = _claim();
        claim.inputHash = keccak256("other input");
        _assertFinding(_find(PROOF, claim, _evidence()), Finding.Reject);
        output[0] = 9;
        claim = _claim();
        output[0] = 4;
        _assertFinding(_find(PROOF, claim, _evidence()), Finding.Reject);
        // Moving the border between input and output proves neither.
        bytes memory proof = abi.encode(keccak256("any"));
        input.push(4);
        _assertFinding(_find(PROOF, _claim(), abi.encode(proof, input, output)), Finding.Reject);
    }

    function test_AHostileVerifierOnlyRefusesItsOwnModel() public {
        for (uint8 mode = 1; mode <= 7; ++mode) {
            verifier.set(HostileVerifier.Mode(mode));
            uint256 before = gasleft();
            _assertFinding(_find(PROOF, _claim(), _evidence()), Finding.Reject);
            assertLt(before - gasleft(), 1_400_000, "it spends its own gas and no more");
        }
    }

    function testFuzz_RubbishIsRejectedAndNeverReverts(bytes calldata rubbish) public view {
        _assertFinding(proofs.judge(_claim(), rubbish), Finding.Reject);
        _assertFinding(attestations.judge(_claim(), rubbish), Finding.Reject);
        _assertFinding(_find(PROOF, _claim(), rubbish), Finding.Reject);
    }

    function test_LengthsThatLieAreRejected() public view {
        bytes memory evidence = _evidence();
        for (uint256 i = 32; i + 32 <= evidence.length; i += 32) {
            bytes memory bent = bytes.concat(evidence);
            assembly ("memory-safe") {
                mstore(add(bent, i), not(0))
            }
            _assertFinding(proofs.judge(_claim(), bent), Finding.Reject);
        }
    }

    function test_WithoutACircuitNothingIsSaid() public {
        Claim memory claim = _claim();
        claim.modelId = keccak256("no circuit");
        _assertFinding(_find(PROOF, claim, _evidence()), Finding.Grey);
        vm.prank(governor);
        proofs.setCircuit(MODEL, address(0), 0);
        _assertFinding(_find(PROOF, _claim(), _evidence()), Finding.Grey);
    }

    /// @dev Whoever brings somebody else's good proof with too little gas has it neither accepted nor rejected.
    function testFuzz_TooLittleGasNeverRefusesAGoodProof(uint256 gas) public view {
        gas = bound(gas, 30_000, 4_000_000);
        bytes memory data = abi.encodeCall(policies.finding, (PROOF, _claim(), _evidence()));
        (bool ok, bytes memory answer) = address(policies).staticcall{gas: gas}(data);
        if (ok) _assertFinding(abi.decode(answer, (Finding)), Finding.Accept);
        else if (answer.length != 0) assertEq(bytes32(bytes4(answer)), bytes32(BoundedCall.TooLittleGas.selector));
        (ok, answer) = address(proofs).staticcall{gas: gas}(abi.encodeCall(proofs.judge, (_claim(), _evidence())));
        if (ok) _assertFinding(abi.decode(answer, (Finding)), Finding.Accept);
    }

    // ---- attestations ----

    function test_AQuoteForThisDigestIsAccepted() public view {
        _assertFinding(_find(ATTESTED, _claim(), _quoteEvidence()), Finding.Accept);
    }

    function test_AQuoteForAnotherResultTaskOrCodeIsRejected() public {
        Claim memory claim = _claim();
        claim.payloadRoot = keccak256("other");
        _assertFinding(_find(ATTESTED, claim, _quoteEvidence()), Finding.Reject);
        claim = _claim();
        claim.taskId = keccak256("other");
        _assertFinding(_find(ATTESTED, claim, _quoteEvidence()), Finding.Reject);
        claim = _claim();
        claim.modelId = keccak256("other model");
        _assertFinding(_find(ATTESTED, claim, _quoteEvidence()), Finding.Reject);
        verifier.say(keccak256("unknown code"), Hashing.digest(TASK, _claim().payloadRoot));
        _assertFinding(_find(ATTESTED, _claim(), _quoteEvidence()), Finding.Reject);
        verifier.say(MEASUREMENT, Hashing.digest(TASK, _claim().payloadRoot));
        _assertFinding(_find(ATTESTED, _claim(), abi.encode(bytes("quote"), new bytes32[](0))), Finding.Reject);
    }

    function test_AMeasurementTakenOffTheListIsRejected() public {
        vm.startPrank(governor);
        attestations.setAllowList(_other());
        _assertFinding(_find(ATTESTED, _claim(), _quoteEvidence()), Finding.Reject);
        attestations.setAllowList(0);
        _assertFinding(_find(ATTESTED, _claim(), _quoteEvidence()), Finding.Grey);
    }

    function test_AHostileQuoteVerifierIsContained() public {
        for (uint8 mode = 1; mode <= 7; ++mode) {
            verifier.set(HostileVerifier.Mode(mode));
            _assertFinding(_find(ATTESTED, _claim(), _quoteEvidence()), Finding.Reject);
        }
        vm.prank(governor);
        attestations.setQuoteVerifier(address(0), 0);
        _assertFinding(_find(ATTESTED, _claim(), _quoteEvidence()), Finding.Grey);
    }

    // ---- the registry ----

    function test_AVerdictComesOnlyFromAnAcceptedResult() public {
        Verdict memory found = policies.verdict(PROOF, _claim(), 2, _evidence());
        assertTrue(found.passed);
        assertEq(found.winner, Hashing.digest(TASK, _claim().payloadRoot));
        assertEq(found.accepted, 4);
        assertEq(found.confidence, 10_000);
        verifier.set(HostileVerifier.Mode.SaysNo);
        found = policies.verdict(PROOF, _claim(), 2, _evidence());
        assertFalse(found.passed);
        assertEq(found.winner, 0);
        assertEq(found.accepted, 0);
    }

    function test_WithoutAnAdapterOrWithABrokenOneNothingIsSaid() public {
        _assertFinding(_find(9, _claim(), _evidence()), Finding.Grey);
        address broken = address(new BrokenAdapter());
        vm.startPrank(governor);
        policies.setAdapter(9, broken, 100_000);
        _assertFinding(_find(9, _claim(), _evidence()), Finding.Grey);
        policies.setAdapter(9, address(manager), 100_000);
        _assertFinding(_find(9, _claim(), _evidence()), Finding.Grey);
        policies.setAdapter(9, address(0), 0);
        (address adapter,) = policies.adapterOf(9);
        assertEq(adapter, address(0));
    }

    function test_OnlyGovernancePlugsIn() public {
        vm.startPrank(stranger);
        bytes4 refused = bytes4(keccak256("AccessManagedUnauthorized(address)"));
        expectError(refused);
        policies.setAdapter(PROOF, address(proofs), 1);
        expectError(refused);
        proofs.setCircuit(MODEL, address(verifier), 1);
        expectError(refused);
        attestations.setAllowList(0);
        expectError(refused);
        attestations.setQuoteVerifier(address(verifier), 1);
    }

    function test_PlugsAreBounded() public {
        vm.startPrank(governor);
        for (uint8 policy; policy < 3; ++policy) {
            vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.BadPolicy.selector, policy));
            policies.setAdapter(policy, address(proofs), 1);
        }
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.AdapterWithoutCode.selector, stranger));
        policies.setAdapter(PROOF, stranger, 1);
        expectError(IPolicyRegistry.BadAdapterGas.selector);
        policies.setAdapter(PROOF, address(proofs), 10_000_001);
        vm.expectRevert(abi.encodeWithSelector(ProofAdapter.VerifierWithoutCode.selector, stranger));
        proofs.setCircuit(MODEL, stranger, 1);
        expectError(ProofAdapter.BadGasLimit.selector);
        proofs.setCircuit(MODEL, address(verifier), 5_000_001);
        vm.expectRevert(abi.encodeWithSelector(AttestationAdapter.VerifierWithoutCode.selector, stranger));
        attestations.setQuoteVerifier(stranger, 1);
        expectError(AttestationAdapter.BadGasLimit.selector);
        attestations.setQuoteVerifier(address(verifier), 8_000_001);
    }

    function test_ConstructorsRefuseTheZeroAddress() public {
        vm.expectRevert(IPolicyRegistry.ZeroAddress.selector);
        new PolicyRegistry(address(0));
        vm.expectRevert(ProofAdapter.ZeroAddress.selector);
        new ProofAdapter(address(0));
        vm.expectRevert(AttestationAdapter.ZeroAddress.selector);
        new AttestationAdapter(address(0));
    }
}
