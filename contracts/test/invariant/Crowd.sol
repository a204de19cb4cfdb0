// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IConsensusVerifier} from "../../src/interfaces/IConsensusVerifier.sol";
import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {SlashCase} from "../../src/interfaces/ISlashEscrow.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Role} from "../../src/interfaces/Types.sol";
import {Oracle} from "./Oracle.sol";

/// @title What operators, claimants and governance do apart from tasks
abstract contract Crowd is Oracle {
    uint256 internal constant COMPUTE = 14;
    uint256 internal constant VERIFIERS = 10;
    uint256 private constant MOST_CONTRADICTIONS = 3;

    uint256 internal seed;
    uint256 internal rolls;
    uint256 private contradictions;

    // ---- operators ----

    /// @dev An operator that was punished pays up and comes back.
    function _heal() internal {
        uint256 start = _roll(operators.length);
        for (uint256 i; i < operators.length; ++i) {
            Operator memory operator = operators[(start + i) % operators.length];
            IRewardDistributor.Account memory held = ledger.accounts(operator.account);
            if (held.reputation == 0) continue; // expelled
            Role role = operator.account & 1 == 1 ? Role.Verifier : Role.Compute;
            uint256 wanted = _wanted((start + i) % operators.length);
            if (held.bonded < wanted) {
                stakeAs(operator.cold, role, wanted - held.bonded);
                stakeAtRisk[operator.account] += wanted - held.bonded;
            }
            if (held.jailedUntil != 0 && held.jailedUntil <= vm.getBlockTimestamp()) {
                perform(operator.cold, address(ledger), abi.encodeCall(ledger.unjail, (operator.account)));
                ++seen["unjailed"];
            }
            tasks.refreshWeight(exactModel, operator.account);
            tasks.refreshWeight(numericModel, operator.account);
        }
    }

    /// @dev Unequal, so that weight and heads can disagree and a heavy seat is clipped: 2 to 26 times the minimum.
    function _wanted(uint256 index) internal view returns (uint256) {
        return (2 + 4 * (index * index % 7)) * ledger.minimumStake(index < COMPUTE ? Role.Compute : Role.Verifier);
    }

    function _unbond() internal {
        Operator memory operator = operators[_roll(operators.length)];
        Role role = operator.account & 1 == 1 ? Role.Verifier : Role.Compute;
        uint256 bonded = bondedOf(operator.account);
        uint256 minimum = ledger.minimumStake(role);
        uint256 amount = bonded;
        if (bonded > minimum && _roll(3) != 0) amount = 1 + _roll(bonded - minimum);
        if (amount == 0) return;
        perform(operator.cold, address(ledger), abi.encodeCall(ledger.requestUnbond, (role, amount)));
        ++seen["unbonding"];
    }

    function _withdraw() internal {
        uint256 start = _roll(operators.length);
        for (uint256 i; i < operators.length; ++i) {
            Operator memory operator = operators[(start + i) % operators.length];
            Role role = operator.account & 1 == 1 ? Role.Verifier : Role.Compute;
            (uint256 amount, uint256 releaseAt) = ledger.unbondingOf(operator.cold, role);
            if (amount == 0) continue;
            if (vm.getBlockTimestamp() < releaseAt) {
                if (_roll(4) != 0) continue;
                skip(releaseAt - vm.getBlockTimestamp());
            }
            stakeAtRisk[operator.account] -= amount;
            perform(operator.cold, address(ledger), abi.encodeCall(ledger.withdraw, (role)));
            ++seen["withdrawn"];
            return;
        }
    }

    function _claim() internal {
        address claimant = claimants[_roll(claimants.length)];
        uint256 owed = ledger.claimable(claimant);
        if (owed != 0) {
            uint256 before = claimant.balance;
            perform(stranger, address(ledger), abi.encodeCall(ledger.claim, (claimant)));
            assertEq(claimant.balance - before, owed, "paid what was owed");
        }
        if (ledger.claimableTokens(claimant) != 0) {
            perform(stranger, address(ledger), abi.encodeCall(ledger.claimTokens, (claimant)));
            ++seen["tokens claimed"];
        }
    }

    /// @dev A few only: whoever contradicts itself never comes back.
    function _contradict() internal {
        if (contradictions == MOST_CONTRADICTIONS) return;
        uint256 index = _roll(operators.length);
        (, uint256 key) = makeAddrAndKey(string.concat("operator ", vm.toString(index), " node"));
        bytes32 taskId = live.length == 0 ? bytes32(seed) : live[0];
        uint32 account = operators[index].account;
        IConsensusVerifier.Attestation memory a = IConsensusVerifier.Attestation(taskId, 0, account, keccak256(RIGHT));
        IConsensusVerifier.Attestation memory b = IConsensusVerifier.Attestation(taskId, 0, account, keccak256(WRONG));
        if (verifier.proven(account, taskId, 0)) return;
        (, uint256 unbondingUntil) =
            ledger.unbondingOf(operators[index].cold, index < COMPUTE ? Role.Compute : Role.Verifier);
        if (unbondingUntil != 0) ++seen["contradiction while unbonding"];
        bytes memory data = abi.encodeCall(verifier.reportContradiction, (_sign(key, a), _sign(key, b)));
        perform(stranger, address(verifier), data);
        ++contradictions;
        ++seen["contradiction"];
    }

    function _sign(uint256 key, IConsensusVerifier.Attestation memory attestation)
        internal
        view
        returns (IConsensusVerifier.SignedAttestation memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, verifier.attestationHash(attestation));
        return IConsensusVerifier.SignedAttestation(attestation, vm.addr(key), abi.encodePacked(r, s, v));
    }

    function _refresh() internal {
        Operator memory operator = operators[_roll(operators.length)];
        bytes32 model = _roll(2) == 0 ? exactModel : numericModel;
        tasks.refreshWeight(model, operator.account);
        if (_roll(2) == 0) nextEpoch();
    }

    function _refreshAll() internal {
        for (uint256 i; i < operators.length; ++i) {
            tasks.refreshWeight(exactModel, operators[i].account);
            tasks.refreshWeight(numericModel, operators[i].account);
        }
        nextEpoch();
        ++seen["stuck until refreshed"];
    }

    // ---- governance ----

    function _govern() internal {
        uint256 choice = _roll(4);
        if (choice == 0) {
            ITaskManager.Parameters memory p = parameters();
            p.tip = uint96(_roll(0.001 ether));
            p.seatFee = uint96(_roll(0.01 ether));
            p.protocolFee = uint16(_roll(1_000));
            p.maxRedraws = uint8(_roll(4));
            perform(governor, address(tasks), abi.encodeCall(tasks.setParameters, (p)));
        } else if (choice == 1) {
            perform(governor, address(ledger), abi.encodeCall(ledger.setJudgeFee, (_roll(500e18))));
        } else if (choice == 2) {
            if (ledger.protocolFees() == 0) return;
            perform(governor, address(ledger), abi.encodeCall(ledger.assignProtocolFees, (treasury)));
        } else {
            bytes32 model = _roll(2) == 0 ? exactModel : numericModel;
            uint256 gift = 1 + _roll(1_000e18);
            fundReserve(model, gift);
            kitty += gift;
        }
    }

    // ---- held slashes ----

    /// @dev Governance undoes it, or its window runs out and anybody makes it final. Each ends once.
    function _endCase() internal {
        if (waiting.length == 0) return;
        uint256 index = _roll(waiting.length);
        SlashCase memory found = waiting[index];
        (, uint256 until) = escrow.caseState(escrow.caseIdOf(found));
        waiting[index] = waiting[waiting.length - 1];
        waiting.pop();
        if (vm.getBlockTimestamp() <= until && _roll(2) == 0) {
            perform(governor, address(escrow), abi.encodeCall(escrow.veto, (found)));
            ++seen["vetoed"];
        } else {
            if (vm.getBlockTimestamp() <= until) skip(until + 1 - vm.getBlockTimestamp());
            perform(stranger, address(escrow), abi.encodeCall(escrow.finalise, (found)));
            ++seen["final"];
        }
        vm.prank(governor);
        (bool again,) = address(escrow).call(abi.encodeCall(escrow.veto, (found)));
        assertFalse(again, "undone after its end");
        (again,) = address(escrow).call(abi.encodeCall(escrow.finalise, (found)));
        assertFalse(again, "final twice");
    }

    // ---- chance ----

    function _roll(uint256 size) internal returns (uint256) {
        return uint256(keccak256(abi.encode(seed, rolls++))) % size;
    }
}
