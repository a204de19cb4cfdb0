// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {ISummons} from "../src/interfaces/ISummons.sol";
import {Fault, Role} from "../src/interfaces/Types.sol";
import {SummonsTest} from "./utils/SummonsTest.sol";

/// @title A summons from its posting to its end: who answers, who pays, who is punished
contract SummonsContractTest is SummonsTest {
    event SeatNotPunished(bytes32 indexed order, uint32 indexed account);

    function _bond(uint256 seats) private pure returns (uint256) {
        return DEPOSIT_WEI + (seats + 1) * LEAST_FEE;
    }

    function _closeLate(bytes32 id) private {
        skip(COMMIT + REVEAL + 1);
        summons.close(id);
    }

    /// @dev Every wei of the contract is somebody's.
    function _assertOwed(uint32[] memory accounts) private view {
        uint256 sum = summons.owed(client) + summons.owed(stranger) + summons.owed(coordinator);
        for (uint256 i; i < accounts.length; ++i) {
            sum += summons.owed(operatorOf(accounts[i]));
        }
        assertEq(address(summons).balance, sum, "every wei has an owner");
    }

    // ---- answers ----

    function testAllAnswerAndTheOrderSettlesByWhatTheyOpened() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        assertEq(address(summons).balance, _bond(3));
        for (uint256 i; i < 3; ++i) {
            assertEq(summons.openOf(seats[i]), 1);
            commitSeat(id, seats[i], RIGHT);
        }
        for (uint256 i; i < 3; ++i) {
            openSeat(id, seats[i], RIGHT);
        }
        uint256 stake = bondedOf(seats[0]);
        summons.close(id);
        assertEq(bondedOf(seats[0]), stake);
        for (uint256 i; i < 3; ++i) {
            assertEq(summons.owed(operatorOf(seats[i])), LEAST_FEE);
            assertEq(summons.openOf(seats[i]), 0);
        }
        assertEq(summons.owed(client), DEPOSIT_WEI + LEAST_FEE, "what nobody earned");
        _assertOwed(seats);
        channels.settle(evidenceOf(order, seats, 7));
        assertGt(ledger.claimable(operatorOf(seats[0])), 0, "paid by the channel");
        assertEq(uint256(summons.summonses(id).status), uint256(ISummons.Status.Ended));
        uint256 before = client.balance;
        vm.prank(client);
        summons.withdraw();
        assertEq(client.balance, before + DEPOSIT_WEI + LEAST_FEE);
        vm.expectRevert(abi.encodeWithSelector(ISummons.NothingToWithdraw.selector, client));
        vm.prank(client);
        summons.withdraw();
    }

    function testASilentSeatIsAbsentAndTheOthersSettle() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 5);
        bytes32 id = hashOf(order);
        uint256 odd = lightest(order, seats);
        for (uint256 i; i < 5; ++i) {
            if (i != odd) commitSeat(id, seats[i], RIGHT);
        }
        vm.expectRevert(
            abi.encodeWithSelector(ISummons.TooEarly.selector, vm.getBlockTimestamp() + COMMIT + REVEAL + 1)
        );
        summons.close(id);
        skip(COMMIT + 1);
        for (uint256 i; i < 5; ++i) {
            if (i != odd) openSeat(id, seats[i], RIGHT);
        }
        vm.expectRevert(abi.encodeWithSelector(ISummons.TooEarly.selector, vm.getBlockTimestamp() + REVEAL));
        summons.close(id);
        skip(REVEAL);
        uint256 stake = bondedOf(seats[odd]);
        uint256 reserve = ledger.disputeReserve(1);
        summons.close(id);
        assertEq(bondedOf(seats[odd]), stake * 95 / 100, "the first absence");
        assertEq(ledger.accounts(seats[odd]).absences, 1);
        assertEq(ledger.disputeReserve(1), reserve + stake / 40, "half to the model's reserve");
        assertEq(summons.owed(operatorOf(seats[odd])), 0);
        assertEq(summons.owed(client), DEPOSIT_WEI + 2 * LEAST_FEE, "its fee comes back");
        _assertOwed(seats);
        channels.settle(evidenceOf(order, seats, 31 ^ (1 << odd)));
    }

    function testACommitmentThatIsNotOpenedCostsATenth() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        for (uint256 i; i < 3; ++i) {
            commitSeat(id, seats[i], RIGHT);
        }
        openSeat(id, seats[0], RIGHT);
        openSeat(id, seats[1], RIGHT);
        uint256 stake = bondedOf(seats[2]);
        _closeLate(id);
        assertEq(bondedOf(seats[2]), stake * 9 / 10);
        assertGt(ledger.accounts(seats[2]).jailedUntil, 0);
        _assertOwed(seats);
    }

    function testWhereNoVerdictIsPossibleCommittingWasEnough() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        commitSeat(id, seats[0], RIGHT);
        commitSeat(id, seats[1], RIGHT);
        skip(COMMIT + 1);
        refuseOpening(id, seats[0], RIGHT, abi.encodeWithSelector(ISummons.NoVerdict.selector, id));
        uint256 stake = bondedOf(seats[2]);
        summons.close(id);
        assertEq(bondedOf(seats[2]), stake * 95 / 100);
        assertEq(summons.owed(operatorOf(seats[0])), LEAST_FEE);
        assertEq(summons.owed(operatorOf(seats[1])), LEAST_FEE);
        _assertOwed(seats);
    }

    function testNobodyAnswers() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        uint256[3] memory stakes = [bondedOf(seats[0]), bondedOf(seats[1]), bondedOf(seats[2])];
        skip(COMMIT + 1);
        summons.close(id);
        for (uint256 i; i < 3; ++i) {
            assertEq(bondedOf(seats[i]), stakes[i] * 95 / 100);
        }
        assertEq(summons.owed(client), _bond(3), "all of the bond");
        vm.expectRevert(abi.encodeWithSelector(ISummons.NotSummoned.selector, id));
        summons.close(id);
    }

    /// @dev Summonses in quick succession are one absence, and jail ends them: the ledger's own rules.
    function testABurstIsOneAbsence() public {
        (TaskOrder memory first, uint32[] memory seats) = summoned(0, 5);
        (TaskOrder memory second, uint32[] memory others) = summoned(1, 5);
        skip(COMMIT + 1);
        summons.close(hashOf(first));
        uint256 shared;
        uint256[] memory stakes = new uint256[](5);
        for (uint256 i; i < 5; ++i) {
            stakes[i] = bondedOf(others[i]);
        }
        summons.close(hashOf(second));
        for (uint256 i; i < 5; ++i) {
            for (uint256 k; k < 5; ++k) {
                if (others[i] != seats[k]) continue;
                ++shared;
                assertEq(bondedOf(others[i]), stakes[i], "one absence");
            }
        }
        assertGe(shared, 4, "six accounts, two committees of five");
    }

    // ---- money ----

    function testTheFeeIsTheGasOfAnsweringAndTheRestOfWhatWasSentIsOwed() public {
        assertEq(summons.answerFee(), LEAST_FEE);
        vm.fee(10 gwei);
        assertEq(summons.answerFee(), 250_000 * 10 gwei);
        assertEq(summons.bondFor(3), DEPOSIT_WEI + 4 * 250_000 * 10 gwei);
        TaskOrder memory order = asked(0, 3);
        uint32[] memory seats = drawn(order);
        bytes memory signature = signBy(clientKey, hashOf(order));
        uint256 bond = summons.bondFor(3);
        vm.startPrank(client);
        vm.expectRevert(abi.encodeWithSelector(ISummons.BondTooLow.selector, bond - 1, bond));
        summons.summon{value: bond - 1}(terms, order, signature, inline_(ASKED), seats);
        summons.summon{value: bond + 5}(terms, order, signature, inline_(ASKED), seats);
        vm.stopPrank();
        assertEq(summons.owed(client), 5);
        vm.fee(0);
        assertEq(summons.summonses(hashOf(order)).fee, 250_000 * 10 gwei, "as it was posted");
    }

    function testALostRoleStopsPunishmentAndNoMoney() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        vm.prank(governor);
        manager.revokeRole(SLASHER, address(summons));
        uint256 stake = bondedOf(seats[0]);
        skip(COMMIT + 1);
        vm.expectEmit(address(summons));
        emit SeatNotPunished(hashOf(order), seats[2]);
        summons.close(hashOf(order));
        assertEq(bondedOf(seats[0]), stake);
        assertEq(summons.owed(client), _bond(3));
    }

    function testLittleGasSavesNoSilentSeat() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        skip(COMMIT + 1);
        uint256 stake = bondedOf(seats[2]);
        for (uint256 gas_ = 100_000; gas_ < 1_200_000; gas_ += 50_000) {
            (bool ok,) = address(summons).call{gas: gas_}(abi.encodeCall(summons.close, (id)));
            if (ok) break;
        }
        if (uint256(summons.summonses(id).status) == uint256(ISummons.Status.Open)) summons.close(id);
        assertEq(bondedOf(seats[2]), stake * 95 / 100);
    }

    function testAJailedSeatCostsNothingAndHoldsUpNothing() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        vm.prank(address(tasks));
        ledger.slash(seats[1], "task", 1, Fault.Unopened, 0, address(0));
        uint256 stake = bondedOf(seats[1]);
        skip(COMMIT + 1);
        summons.close(hashOf(order));
        assertEq(bondedOf(seats[1]), stake);
        _assertOwed(seats);
    }

    function testStakeThatUnbondsIsStillInReachAndStakeThatIsGoneHoldsUpNothing() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        vm.prank(address(channels));
        ledger.slashLane(seats[1], "order", Fault.Malicious, address(0));
        address who = operatorOf(seats[0]);
        uint256 stake = bondedOf(seats[0]);
        vm.prank(who);
        ledger.requestUnbond(Role.Compute, stake);
        skip(COMMIT + 1);
        summons.close(hashOf(order));
        assertEq(ledger.accounts(seats[0]).unbonding, stake * 95 / 100);
        assertEq(ledger.accounts(seats[1]).bonded, 0);
        _assertOwed(seats);
    }

    function testFuzz_EveryBondFindsItsOwners(uint256 size, uint256 commits, uint256 opens, uint64 baseFee) public {
        uint8 count = uint8(bound(size, 3, 6));
        vm.fee(baseFee % 1e12);
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, count);
        bytes32 id = hashOf(order);
        uint256 all = (1 << count) - 1;
        (commits, opens) = (commits & all, opens & commits & all);
        uint256 heads;
        uint256[] memory stakes = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            stakes[i] = bondedOf(seats[i]);
            if (commits >> i & 1 == 0) continue;
            ++heads;
            commitSeat(id, seats[i], RIGHT);
        }
        bool possible = heads >= 3 && 3 * heads >= 2 * uint256(count);
        if (commits != all) skip(COMMIT + 1);
        for (uint256 i; i < count && possible; ++i) {
            if (opens >> i & 1 == 1) openSeat(id, seats[i], RIGHT);
        }
        skip(REVEAL + 1);
        summons.close(id);
        for (uint256 i; i < count; ++i) {
            bool committed = commits >> i & 1 == 1;
            bool did = committed && (!possible || opens >> i & 1 == 1);
            uint256 cost = did ? 0 : committed ? stakes[i] / 10 : stakes[i] / 20;
            assertEq(bondedOf(seats[i]), stakes[i] - cost);
            assertEq(summons.owed(operatorOf(seats[i])), did ? summons.summonses(id).fee : 0);
            assertEq(summons.openOf(seats[i]), 0);
        }
        _assertOwed(seats);
    }
}
