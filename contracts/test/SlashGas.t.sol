// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IConsensusVerifier} from "../src/interfaces/IConsensusVerifier.sol";
import {ISlashEscrow, SlashCase} from "../src/interfaces/ISlashEscrow.sol";
import {Fault} from "../src/interfaces/Types.sol";
import {AppealsTest} from "./utils/AppealsTest.sol";
import {Vm} from "./utils/Vm.sol";

/// @title What a slash costs
/// @notice Measured on the committed bytecode in abi/, each call as a transaction of its own, so every figure holds the
/// 21,000 gas of a transaction and its calldata, which a slash inside a settlement does not pay again. A slash takes
/// stake, marks reputation and record, jails, and puts the case into the escrow. "first" is an account that never
/// unbonded nor sat in jail, whose second word is written for the first time.
/// forge-config: default.isolate = true
contract SlashGasTest is AppealsTest {
    function creationCode(string memory name) internal view override returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(string.concat("abi/", name, ".json")), ".bytecode");
    }

    function setUp() public override {
        super.setUp();
        addPool(3, 1);
        // The sum of held slashes is not zero in the steady state.
        _slash(operators[2].account, Fault.Incorrect, 10_000);
    }

    function _slash(uint32 account, Fault fault, uint256 confidence) private {
        vm.prank(address(tasks));
        ledger.slash(account, keccak256("task"), 1, fault, confidence, address(0));
    }

    function _spent(string memory what) private {
        vm.snapshotValue("slash", what, vm.lastCallGas().gasTotalUsed);
    }

    function test_Slash() public {
        uint32 account = operators[0].account;
        vm.recordLogs();
        _slash(account, Fault.Incorrect, 10_000);
        _spent("held: first of an account");
        uint256 first = vm.lastCallGas().gasTotalUsed;
        _slash(account, Fault.Incorrect, 9_000);
        _spent("held: later");
        assertLe(first, 120_000);
        _slash(account, Fault.Incorrect, 7_000);
        _spent("final at once: 10 %");
        _slash(operators[1].account, Fault.Absent, 0);
        _spent("final at once: absence");
    }

    function test_Finalise() public {
        vm.recordLogs();
        _slash(operators[0].account, Fault.Incorrect, 10_000);
        SlashCase memory found = _held();
        skip(WINDOW + 1);
        escrow.finalise(found);
        _spent("finalise");
    }

    function test_Veto() public {
        vm.recordLogs();
        _slash(operators[0].account, Fault.Incorrect, 10_000);
        SlashCase memory found = _held();
        vm.prank(governor);
        escrow.veto(found);
        _spent("veto");
    }

    function test_Contradiction() public {
        (, uint256 key) = makeAddrAndKey("operator 0 node");
        uint32 account = operators[0].account;
        IConsensusVerifier.Attestation memory a = IConsensusVerifier.Attestation("t", 0, account, keccak256(RIGHT));
        IConsensusVerifier.Attestation memory b = IConsensusVerifier.Attestation("t", 0, account, keccak256(WRONG));
        IConsensusVerifier.SignedAttestation memory first = _signed(key, a);
        IConsensusVerifier.SignedAttestation memory second = _signed(key, b);
        vm.prank(keeper);
        verifier.reportContradiction(first, second);
        _spent("report of a contradiction");
    }

    function _signed(uint256 key, IConsensusVerifier.Attestation memory said)
        private
        view
        returns (IConsensusVerifier.SignedAttestation memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, verifier.attestationHash(said));
        return IConsensusVerifier.SignedAttestation(said, vm.addr(key), abi.encodePacked(r, s, v));
    }

    function _held() private returns (SlashCase memory found) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == ISlashEscrow.SlashHeld.selector) {
                (found,) = abi.decode(logs[i].data, (SlashCase, uint256));
            }
        }
    }
}
