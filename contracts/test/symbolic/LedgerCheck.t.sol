// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Outcome} from "../../src/interfaces/ChannelTypes.sol";
import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {SlashCase} from "../../src/interfaces/ISlashEscrow.sol";
import {Fault, Role} from "../../src/interfaces/Types.sol";
import {VM as vm} from "../utils/Vm.sol";
import {LedgerHarness} from "./LedgerHarness.sol";

/// @title No MLB and no wei appears or vanishes in the ledger
/// @dev Stakes of 96 bits, as the ledger keeps them, that together are no more; everything is taken, as for a
/// contradiction. The check plays every neighbour: token, pool, authority, bridge, task manager, channels, escrow.
contract LedgerCheck {
    uint32 private constant ACCOUNT = 4;
    uint32 private constant MODEL = 1;
    bytes32 private constant TASK = keccak256("task");
    address private constant REPORTER = address(0xBEEF);
    address private constant PROVIDER = address(0xCAFE);
    uint256 private constant FEE = 100e18;

    LedgerHarness private ledger;
    bool private holding;
    SlashCase private held;
    uint256 private burned;
    uint256 private sent;
    uint256 private released;

    function setUp() public {
        vm.warp(1_750_000_000);
        ledger = new LedgerHarness(address(this), FEE);
        ledger.setSlashEscrow(address(this));
        ledger.setChannels(address(this));
    }

    // ---- the neighbours ----

    function rewardPool() external view returns (address) {
        return address(this);
    }

    function canCall(address, address, bytes4) external pure returns (bool, uint32) {
        return (true, 0);
    }

    function interrupt(uint32) external {}

    function stakeChanged(address, uint256, uint256) external {}

    function burn(uint256 amount) external {
        burned += amount;
    }

    function transfer(address, uint256 amount) external returns (bool) {
        sent += amount;
        return true;
    }

    function transferFrom(address, address, uint256) external pure returns (bool) {
        return true;
    }

    function release(address payable, uint256 amount) external {
        released += amount;
    }

    function open(SlashCase calldata found) external returns (bool) {
        held = found;
        return holding;
    }

    // ---- slashes ----

    /// @dev Stakes of 96 bits; everything, as for a contradiction, with and without a reporter.
    function check_ASlashForMaliceIsPartedWhole(uint96 bonded, uint96 unbonding, bool reported) external {
        ledger.give(address(this), ACCOUNT, bonded, unbonding, 0);
        uint256 taken = ledger.slash(ACCOUNT, TASK, MODEL, Fault.Malicious, 0, reported ? REPORTER : address(0));
        assert(taken == uint256(bonded) + unbonding);
        _parted(bonded, unbonding, taken);
    }

    /// @dev Stakes of 96 bits; half, the most for a wrong result.
    function check_ASlashForAWrongResultIsPartedWhole(uint96 bonded, uint96 unbonding) external {
        ledger.give(address(this), ACCOUNT, bonded, unbonding, 0);
        _parted(bonded, unbonding, ledger.slash(ACCOUNT, TASK, MODEL, Fault.Incorrect, 10_000, address(0)));
    }

    /// @dev Stakes of 96 bits; 5 %, as for a first absence.
    function check_ASlashForAbsenceIsPartedWhole(uint96 bonded, uint96 unbonding) external {
        ledger.give(address(this), ACCOUNT, bonded, unbonding, 0);
        _parted(bonded, unbonding, ledger.slash(ACCOUNT, TASK, MODEL, Fault.Absent, 0, address(0)));
    }

    /// @dev Stakes of 96 bits, fines of any size.
    function check_AFineIsPartedWhole(uint96 bonded, uint96 unbonding, uint256 amount) external {
        ledger.give(address(this), ACCOUNT, bonded, unbonding, 0);
        try ledger.fine(ACCOUNT, TASK, MODEL, amount) returns (uint256 taken) {
            assert(taken <= amount);
            _parted(bonded, unbonding, taken);
        } catch {
            assert(amount > 7_500e18);
        }
    }

    function check_AHeldSlashTakesNothingElsewhere(uint96 bonded, uint96 unbonding) external {
        vm.assume(uint256(bonded) + unbonding <= type(uint96).max);
        holding = true;
        ledger.give(address(this), ACCOUNT, bonded, unbonding, 0);
        uint256 taken = ledger.slash(ACCOUNT, TASK, MODEL, Fault.Malicious, 0, REPORTER);
        assert(ledger.heldSlashes() == taken);
        assert(ledger.disputeReserve(MODEL) == 0 && ledger.claimableTokens(REPORTER) == 0 && burned == 0);
    }

    function check_AnUndoneSlashGivesBackWhatItTook(uint96 bonded, uint96 unbonding) external {
        vm.assume(uint256(bonded) + unbonding <= type(uint96).max && uint256(bonded) + unbonding != 0);
        holding = true;
        ledger.give(address(this), ACCOUNT, bonded, unbonding, 0);
        ledger.slash(ACCOUNT, TASK, MODEL, Fault.Malicious, 0, REPORTER);
        ledger.restoreSlash(held);
        (uint256 bondedNow, uint256 unbondingNow,) = ledger.stakeAt(ACCOUNT);
        assert(bondedNow == bonded && unbondingNow == unbonding);
        assert(ledger.heldSlashes() == 0 && burned == 0 && ledger.disputeReserve(MODEL) == 0);
    }

    function check_AHeldSlashThatStandsIsPartedWhole(uint96 bonded, uint96 unbonding) external {
        vm.assume(uint256(bonded) + unbonding <= type(uint96).max && uint256(bonded) + unbonding != 0);
        holding = true;
        ledger.give(address(this), ACCOUNT, bonded, unbonding, 0);
        uint256 taken = ledger.slash(ACCOUNT, TASK, MODEL, Fault.Malicious, 0, REPORTER);
        ledger.splitSlash(held);
        assert(ledger.heldSlashes() == 0);
        _parted(bonded, unbonding, taken);
    }

    /// @dev What left the account is in the reserve, owed to the reporter, or burned; and no more was taken than was there.
    function _parted(uint256 bonded, uint256 unbonding, uint256 taken) private view {
        (uint256 bondedNow, uint256 unbondingNow,) = ledger.stakeAt(ACCOUNT);
        assert(bondedNow <= bonded && unbondingNow <= unbonding);
        assert(bondedNow + unbondingNow + taken == bonded + unbonding);
        assert(ledger.disputeReserve(MODEL) + ledger.claimableTokens(REPORTER) + burned == taken);
    }

    // ---- stake that leaves ----

    /// @dev Stakes of 96 bits, any amount: it moves between the two, or nothing happens.
    function check_UnbondingMovesStakeAndLosesNone(uint96 bonded, uint96 unbonding, uint256 amount) external {
        ledger.give(address(this), ACCOUNT, bonded, unbonding, 0);
        try ledger.requestUnbond(Role.Compute, amount) {
            (uint256 bondedNow, uint256 unbondingNow,) = ledger.stakeAt(ACCOUNT);
            assert(amount != 0 && amount <= bonded);
            assert(bondedNow == bonded - amount && unbondingNow == uint256(unbonding) + amount);
        } catch {
            (uint256 bondedNow, uint256 unbondingNow,) = ledger.stakeAt(ACCOUNT);
            assert(bondedNow == bonded && unbondingNow == unbonding);
        }
    }

    /// @dev Stakes of 96 bits.
    function check_WithdrawingPaysOnceWhatWasUnbonding(uint96 bonded, uint96 unbonding) external {
        vm.assume(unbonding != 0);
        ledger.give(address(this), ACCOUNT, bonded, unbonding, 0);
        assert(ledger.withdraw(Role.Compute) == unbonding && sent == unbonding);
        (uint256 bondedNow, uint256 unbondingNow,) = ledger.stakeAt(ACCOUNT);
        assert(bondedNow == bonded && unbondingNow == 0);
        try ledger.withdraw(Role.Compute) {
            assert(false);
        } catch {
            assert(sent == unbonding);
        }
    }

    // ---- credits ----

    /// @dev All amounts of 96 bits: three winners, of whom one is owed something already.
    function check_ASettledTaskCreditsWhatItSaysAndNothingElse(
        uint96 before,
        uint96 bonded,
        uint96 seatFee,
        uint96 modelFee,
        uint96 protocolFee,
        uint96 refund
    ) external {
        _winners(before, bonded);
        IRewardDistributor.Settlement memory settlement;
        (settlement.taskId, settlement.seatFee, settlement.modelFee) = (TASK, seatFee, modelFee);
        (settlement.protocolFee, settlement.refund) = (protocolFee, refund);
        (settlement.modelProvider, settlement.requester, settlement.winners) = (PROVIDER, REPORTER, _list());
        try ledger.settle(settlement) {
            assert(_feesOfWinners() == uint256(before) + 3 * uint256(seatFee));
            assert(ledger.claimable(PROVIDER) == modelFee);
            assert(ledger.claimable(REPORTER) == refund);
            assert(ledger.protocolFees() == protocolFee);
            (uint256 bondedNow, uint256 unbondingNow,) = ledger.stakeAt(ACCOUNT);
            assert(bondedNow == bonded && unbondingNow == 0);
        } catch {
            assert(uint256(before) + seatFee > type(uint96).max);
        }
    }

    /// @dev All amounts of 96 bits: three winners of an order, of whom one is owed something already.
    function check_TheLanesFundsFallByWhatAnOrderCredits(
        uint96 funds,
        uint96 before,
        uint96 bonded,
        uint96 seatFee,
        uint96 modelFee
    ) external {
        ledger.fundLane(address(this), funds);
        _winners(before, bonded);
        Outcome memory outcome;
        (outcome.seatFee, outcome.modelFee, outcome.modelProvider) = (seatFee, modelFee, PROVIDER);
        outcome.winners = _list();
        uint256 all = uint256(modelFee) + 3 * uint256(seatFee);
        try ledger.settleLane(outcome) {
            assert(ledger.laneFunds() + all == funds);
            assert(_feesOfWinners() + ledger.claimable(PROVIDER) == before + all);
            (uint256 bondedNow,,) = ledger.stakeAt(ACCOUNT);
            assert(bondedNow == bonded);
        } catch {
            assert(all > funds || uint256(before) + seatFee > type(uint96).max);
        }
    }

    /// @dev All amounts of 96 bits.
    function check_TheLanePaysNobodyBeyondItsFunds(uint96 funds, uint96 amount, uint96 protocolFee, uint96 seat)
        external
    {
        ledger.fundLane(address(this), funds);
        ledger.give(address(this), ACCOUNT, 0, 0, 0);
        try ledger.creditLane(TASK, PROVIDER, amount, protocolFee) {} catch {}
        try ledger.creditSeat(TASK, ACCOUNT, seat) {} catch {}
        (,, uint256 fees) = ledger.stakeAt(ACCOUNT);
        assert(ledger.laneFunds() + ledger.claimable(PROVIDER) + ledger.protocolFees() + fees == funds);
    }

    /// @dev Seat fees of 96 bits, other credits of 128.
    function check_AClaimPaysOnceWhatIsOwed(uint96 fees, uint128 credit) external {
        vm.assume(fees != 0 || credit != 0);
        ledger.give(PROVIDER, ACCOUNT, 0, 0, fees);
        ledger.owe(PROVIDER, credit);
        uint256 due = ledger.claimable(PROVIDER);
        assert(due == uint256(fees) + credit);
        assert(ledger.claim(PROVIDER) == due && released == due);
        assert(ledger.claimable(PROVIDER) == 0);
        try ledger.claim(PROVIDER) {
            assert(false);
        } catch {
            assert(released == due);
        }
    }

    // ---- judges ----

    /// @dev Reserves of 96 bits, five judges of whom nobody, two or all came.
    function check_WhatJudgesDoNotEarnGoesBack(uint96 reserve, uint8 mood) external {
        vm.assume(reserve != 0 && mood < 3);
        ledger.give(PROVIDER, ACCOUNT, 0, 0, 0);
        ledger.fundReserve(MODEL, reserve);
        if (!ledger.earmarkJudges(TASK, MODEL, 5)) {
            assert(reserve < 5 * FEE && ledger.disputeReserve(MODEL) == reserve);
            return;
        }
        assert(ledger.disputeReserve(MODEL) + ledger.earmarked(TASK) == reserve);
        uint32[] memory judges = new uint32[](mood == 0 ? 0 : mood == 1 ? 2 : 5);
        for (uint256 i; i < judges.length; ++i) {
            judges[i] = ACCOUNT;
        }
        ledger.payJudges(TASK, judges);
        assert(ledger.earmarked(TASK) == 0);
        assert(ledger.claimableTokens(PROVIDER) == judges.length * FEE);
        assert(ledger.disputeReserve(MODEL) + ledger.claimableTokens(PROVIDER) == reserve);
    }

    // ---- internal ----

    function _winners(uint96 before, uint96 bonded) private {
        ledger.give(address(this), ACCOUNT, bonded, 0, before);
        ledger.give(address(0xA), ACCOUNT + 2, bonded, 0, 0);
        ledger.give(address(0xB), ACCOUNT + 4, bonded, 0, 0);
    }

    function _list() private pure returns (uint32[] memory list) {
        list = new uint32[](3);
        (list[0], list[1], list[2]) = (ACCOUNT, ACCOUNT + 2, ACCOUNT + 4);
    }

    function _feesOfWinners() private view returns (uint256 sum) {
        for (uint32 i; i < 3; ++i) {
            (,, uint256 fees) = ledger.stakeAt(ACCOUNT + 2 * i);
            sum += fees;
        }
    }
}
