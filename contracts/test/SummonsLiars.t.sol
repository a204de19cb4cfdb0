// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Summons} from "../src/Summons.sol";
import {Attestation, ChannelTerms, Evidence, TaskOrder, Voucher} from "../src/interfaces/ChannelTypes.sol";
import {ISummons} from "../src/interfaces/ISummons.sol";
import {Policy} from "../src/interfaces/Types.sol";
import {FeeSplit} from "../src/libraries/FeeSplit.sol";
import {SummonsTest} from "./utils/SummonsTest.sol";

/// @title What a liar does with summonses, and that it gains nothing
contract SummonsLiarsTest is SummonsTest {
    function _refused(TaskOrder memory order, uint32[] memory seats, bytes memory reason) private {
        bytes memory signature = signBy(clientKey, hashOf(order));
        uint256 bond = summons.bondFor(seats.length);
        vm.expectRevert(reason);
        vm.prank(client);
        summons.summon{value: bond}(terms, order, signature, inline_(ASKED), seats);
    }

    function _mismatch(bytes32 expected, bytes32 given) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISummons.ContentMismatch.selector, expected, given);
    }

    // ---- orders that a seat may refuse ----

    function testWorkThatNobodyCouldDoIsNotSummoned() public {
        TaskOrder memory order = asked(0, 3);
        uint32[] memory seats = drawn(order);
        order.policy = Policy.Numeric;
        _refused(order, seats, abi.encodeWithSelector(ISummons.PolicyNotSettled.selector, Policy.Numeric));
        order = asked(0, 3);
        order.inputDigest = keccak256("something else");
        _refused(order, seats, _mismatch(order.inputDigest, keccak256(ASKED)));
        order = asked(0, 3);
        order.modelId = numericModel;
        _refused(order, seats, abi.encodeWithSelector(ISummons.ModelNotSummoned.selector, numericModel));
        order = asked(0, 3);
        vm.prank(governor);
        registry.setSuspended(exactModel, true);
        _refused(order, seats, abi.encodeWithSelector(ISummons.ModelNotSummoned.selector, exactModel));
        vm.prank(governor);
        registry.setSuspended(exactModel, false);
        // An input that lies elsewhere could be shown to some of the seats only.
        bytes memory signature = signBy(clientKey, hashOf(order));
        bytes memory elsewhere = pointer_(ASKED);
        vm.expectRevert(_mismatch(order.inputDigest, 0));
        vm.prank(client);
        summons.summon{value: 1 ether}(terms, order, signature, elsewhere, seats);
        vm.expectRevert(_mismatch(order.inputDigest, 0));
        vm.prank(client);
        summons.summon{value: 1 ether}(terms, order, signature, "", seats);
    }

    function testAnOrderOutOfTimeIsNotSummoned() public {
        TaskOrder memory order = asked(0, 3);
        uint32[] memory seats = drawn(order);
        ++order.epoch;
        _refused(order, seats, abi.encodeWithSelector(ISummons.SeedUnknown.selector, order.epoch));
        order = asked(0, 3);
        order.epoch = terms.openedIn;
        _refused(
            order, seats, abi.encodeWithSelector(ISummons.ChannelTooYoung.selector, terms.openedIn, terms.openedIn)
        );
        order = asked(0, 3);
        uint256 needed = vm.getBlockTimestamp() + 2 * COMMIT + REVEAL;
        order.deadline = uint40(needed - SETTLE - 1);
        _refused(
            order, seats, abi.encodeWithSelector(ISummons.TooLateToSummon.selector, hashOf(order), needed - 1, needed)
        );
        // The seed counts for three epochs of 300 s, whatever the deadline.
        order = asked(0, 3);
        uint256 begun = beacon.genesis() + order.epoch * EPOCH;
        vm.warp(begun + 3 * EPOCH - 2 * COMMIT - REVEAL);
        order.deadline = uint40(vm.getBlockTimestamp() + 60);
        _refused(
            order,
            seats,
            abi.encodeWithSelector(
                ISummons.TooLateToSummon.selector, hashOf(order), begun + 3 * EPOCH - 1, begun + 3 * EPOCH
            )
        );
        vm.warp(vm.getBlockTimestamp() - 1);
        summonAs(client, order, seats);
    }

    function testAChannelThatCannotPayIsNotSummonedFor() public {
        TaskOrder memory order = asked(0, 3);
        order.maxFee = uint96(DEPOSIT) + 1;
        uint32[] memory seats = drawn(order);
        _refused(
            order, seats, abi.encodeWithSelector(ISummons.InsufficientDeposit.selector, channel, DEPOSIT + 1, DEPOSIT)
        );
        order.maxFee = MODEL_PRICE;
        uint256 shares = uint256(MODEL_PRICE) * (COORDINATOR_SHARE + PROTOCOL_SHARE) / 10_000;
        _refused(order, seats, abi.encodeWithSelector(FeeSplit.FeeTooLow.selector, MODEL_PRICE, MODEL_PRICE + shares));
        order.maxFee = 0.0131 ether;
        uint256 seatFee = (0.0131 ether - 0.0131 ether * 8 / 100 - uint256(MODEL_PRICE)) / 3;
        _refused(order, seats, abi.encodeWithSelector(ISummons.SeatFeeTooLow.selector, seatFee, 0.001 ether));
    }

    function testWhatAVoucherClaimsIsNotThere() public {
        TaskOrder memory order = asked(1, 3);
        uint32[] memory seats = drawn(order);
        (Voucher memory voucher, bytes memory signature) = signedVoucher(uint96(DEPOSIT) - PRICE + 1, 1);
        vm.prank(coordinator);
        channels.presentVoucher(terms, voucher, signature);
        _refused(order, seats, abi.encodeWithSelector(ISummons.InsufficientDeposit.selector, channel, PRICE, PRICE - 1));
        order.maxFee = PRICE - 1;
        summonAs(client, order, seats);
        (voucher, signature) = signedVoucher(uint96(DEPOSIT), 3);
        vm.prank(coordinator);
        channels.presentVoucher(terms, voucher, signature);
        order = asked(2, 3);
        _refused(order, drawn(order), abi.encodeWithSelector(ISummons.AlreadySettled.selector, channel, 2));
    }

    /// @dev A voucher that was paid before promises nothing when it is presented again, so it keeps nobody from summoning.
    function testAnOldVoucherHoldsUpNoSummons() public {
        (Voucher memory voucher, bytes memory signature) = signedVoucher(1 ether, 0);
        vm.prank(coordinator);
        channels.presentVoucher(terms, voucher, signature);
        skip(SETTLE);
        channels.redeemVoucher(terms);
        vm.prank(coordinator);
        channels.presentVoucher(terms, voucher, signature);
        advance();
        TaskOrder memory order = asked(0, 3);
        order.maxFee = uint96(DEPOSIT - 1 ether);
        summonAs(client, order, drawn(order));
    }

    function testSettledAndClosingOrdersAreNotSummoned() public {
        channels.settle(proven(orderOf(0, 3), 0));
        channels.settle(proven(orderOf(2, 3), 0));
        TaskOrder memory order = asked(0, 3);
        _refused(order, drawn(order), abi.encodeWithSelector(ISummons.AlreadySettled.selector, channel, 0));
        order = asked(2, 3);
        _refused(order, drawn(order), abi.encodeWithSelector(ISummons.AlreadySettled.selector, channel, 2));
        order = asked(65, 3);
        _refused(order, drawn(order), abi.encodeWithSelector(ISummons.SequenceTooFar.selector, 65, 65));
        order = asked(1, 3);
        uint32[] memory seats = drawn(order);
        vm.prank(client);
        channels.startClose(terms);
        uint256 closesAt = vm.getBlockTimestamp() + CLOSING;
        skip(CLOSING - 200);
        beacon.draw();
        order.epoch = uint32(beacon.currentEpoch());
        order.deadline = uint40(vm.getBlockTimestamp());
        _refused(order, seats, abi.encodeWithSelector(ISummons.ChannelClosing.selector, channel, closesAt));
    }

    function testNobodyButThePartiesSummonsAndOnce() public {
        TaskOrder memory order = asked(0, 3);
        uint32[] memory seats = drawn(order);
        bytes32 id = hashOf(order);
        bytes memory signature = signBy(clientKey, id);
        vm.deal(stranger, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(ISummons.NotParty.selector, channel, stranger));
        vm.prank(stranger);
        summons.summon{value: 1 ether}(terms, order, signature, inline_(ASKED), seats);
        bytes memory forged = signBy(coordinatorKey, id);
        vm.expectRevert(abi.encodeWithSelector(ISummons.BadOrderSignature.selector, id));
        vm.prank(coordinator);
        summons.summon{value: 1 ether}(terms, order, forged, inline_(ASKED), seats);
        ChannelTerms memory others = terms;
        others.salt = "another channel";
        vm.expectRevert(abi.encodeWithSelector(ISummons.WrongChannel.selector, channels.channelId(others), channel));
        vm.prank(client);
        summons.summon{value: 1 ether}(others, order, signature, inline_(ASKED), seats);
        summonAs(coordinator, order, seats);
        bytes memory again = abi.encodeWithSelector(ISummons.AlreadySummoned.selector, id);
        _refused(order, seats, again);
        skip(COMMIT + 1);
        summons.close(id);
        _refusedLate(order, seats);
    }

    /// @dev After its end too, and its bond went to who posted it.
    function _refusedLate(TaskOrder memory order, uint32[] memory seats) private {
        assertGt(summons.owed(coordinator), 0);
        assertEq(summons.owed(client), 0);
        _refused(order, seats, abi.encodeWithSelector(ISummons.AlreadySummoned.selector, hashOf(order)));
    }

    // ---- seats that were not drawn ----

    function _outsider(uint32[] memory seats) private view returns (uint32 outsider) {
        for (uint256 i; i < pool.length; ++i) {
            bool seated;
            for (uint256 k; k < seats.length; ++k) {
                seated = seated || seats[k] == pool[i];
            }
            if (!seated) return pool[i];
        }
        revert("everybody sits");
    }

    function _sorted(uint32[] memory list) private pure {
        for (uint256 i; i < list.length; ++i) {
            for (uint256 k = i + 1; k < list.length; ++k) {
                if (list[k] < list[i]) (list[i], list[k]) = (list[k], list[i]);
            }
        }
    }

    function testAFalseSeatTakesTheSummonsBackAndItsPosterPays() public {
        TaskOrder memory order = asked(0, 3);
        uint32[] memory seats = drawn(order);
        uint32[] memory named = drawn(order);
        uint32 victim = _outsider(seats);
        named[0] = victim;
        _sorted(named);
        bytes32 id = summonAs(coordinator, order, named);
        uint32 busy = seats[1];
        commitSeat(id, busy, RIGHT);
        vm.expectRevert(abi.encodeWithSelector(ISummons.SeatNotFalse.selector, id, busy));
        summons.refute(order, busy, seats);
        vm.expectRevert(abi.encodeWithSelector(ISummons.NoSeat.selector, id, seats[0]));
        summons.refute(order, seats[0], seats);
        uint256 stake = bondedOf(victim);
        vm.prank(stranger);
        summons.refute(order, victim, seats);
        assertEq(bondedOf(victim), stake);
        assertEq(summons.owed(operatorOf(busy)), LEAST_FEE, "its gas");
        assertEq(summons.owed(stranger), DEPOSIT_WEI + 3 * LEAST_FEE, "all the rest");
        assertEq(summons.owed(coordinator), 0);
        assertEq(summons.openOf(victim), 0);
        vm.expectRevert(abi.encodeWithSelector(ISummons.NotSummoned.selector, id));
        summons.close(id);
        // The requester's own summons of the same order begins anew.
        summonAs(client, order, seats);
        assertEq(summons.commitmentsOf(id)[1], 0);
        commitSeat(id, busy, RIGHT);
    }

    function testAFalseSeatEarnsNothingByCommitting() public {
        TaskOrder memory order = asked(0, 3);
        uint32[] memory seats = drawn(order);
        uint32[] memory named = drawn(order);
        named[0] = _outsider(seats);
        _sorted(named);
        bytes32 id = summonAs(client, order, named);
        uint32 liar = _outsider(seats);
        commitSeat(id, liar, RIGHT);
        summons.refute(order, liar, seats);
        assertEq(summons.owed(operatorOf(liar)), 0);
        assertEq(summons.owed(address(this)), address(summons).balance);
    }

    function testWhatIsNoCommittee() public {
        TaskOrder memory order = asked(0, 3);
        uint32[] memory seats = drawn(order);
        bytes memory bad = abi.encodeWithSelector(ISummons.BadCommittee.selector, hashOf(order));
        uint32[] memory two = new uint32[](2);
        (two[0], two[1]) = (seats[0], seats[1]);
        _refused(order, two, bad);
        (seats[0], seats[1]) = (seats[1], seats[0]);
        _refused(order, seats, bad);
        (seats[0], seats[1]) = (seats[1], seats[1]);
        _refused(order, seats, bad);
        seats = drawn(order);
        seats[2] += 2_000;
        _refused(order, seats, abi.encodeWithSelector(ISummons.NotEligible.selector, hashOf(order), seats[2]));
        seats[2] += 1;
        _refused(order, seats, bad);
    }

    function testNobodyIsSummonedBeyondItsHands() public {
        uint32[] memory all;
        for (uint32 i; i < MOST_OPEN; ++i) {
            (, all) = summoned(i, 6);
        }
        TaskOrder memory order = asked(MOST_OPEN, 6);
        _refused(order, all, abi.encodeWithSelector(ISummons.SeatFull.selector, all[0], MOST_OPEN));
        skip(COMMIT + 1);
        summons.close(hashOf(_askedThen(0)));
        assertEq(summons.openOf(all[0]), MOST_OPEN - 1);
    }

    /// @dev The order as it was signed before the time moved.
    function _askedThen(uint32 sequence) private returns (TaskOrder memory order) {
        vm.warp(vm.getBlockTimestamp() - COMMIT - 1);
        order = asked(sequence, 6);
        skip(COMMIT + 1);
    }

    // ---- answers ----

    function testOnlyTheSeatsOwnKeysCommit() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        bytes32 word = commitmentFor(id, seats[0], digestOf(id, RIGHT));
        address other = nodeOf[seats[1]];
        vm.expectRevert(abi.encodeWithSelector(ISummons.NotOperator.selector, seats[0], other));
        vm.prank(other);
        summons.commit(id, seats[0], word);
        vm.expectRevert(abi.encodeWithSelector(ISummons.NothingToOpen.selector, id, seats[0]));
        vm.prank(nodeOf[seats[0]]);
        summons.commit(id, seats[0], 0);
        commitSeat(id, seats[0], RIGHT);
        vm.expectRevert(abi.encodeWithSelector(ISummons.AlreadyAnswered.selector, id, seats[0]));
        vm.prank(nodeOf[seats[0]]);
        summons.commit(id, seats[0], word);
        uint32 outsider = _outsider(seats);
        vm.expectRevert(abi.encodeWithSelector(ISummons.NoSeat.selector, id, outsider));
        vm.prank(nodeOf[outsider]);
        summons.commit(id, outsider, word);
        skip(COMMIT + 1);
        vm.expectRevert(abi.encodeWithSelector(ISummons.TooLate.selector, vm.getBlockTimestamp() - 1));
        vm.prank(nodeOf[seats[1]]);
        summons.commit(id, seats[1], word);
    }

    function testACopiedCommitmentCannotBeOpened() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        commitSeat(id, seats[0], RIGHT);
        commitSeat(id, seats[1], RIGHT);
        bytes32 copied = summons.commitmentsOf(id)[0];
        vm.prank(nodeOf[seats[2]]);
        summons.commit(id, seats[2], copied);
        refuseOpening(id, seats[2], RIGHT, _mismatch(copied, commitmentFor(id, seats[2], digestOf(id, RIGHT))));
    }

    function testNothingElseThanWhatWasCommittedOpens() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        commitSeat(id, seats[0], RIGHT);
        refuseOpening(
            id, seats[0], RIGHT, abi.encodeWithSelector(ISummons.TooEarly.selector, vm.getBlockTimestamp() + COMMIT + 1)
        );
        commitSeat(id, seats[1], RIGHT);
        commitSeat(id, seats[2], RIGHT);
        bytes32 word = summons.commitmentsOf(id)[0];
        refuseOpening(id, seats[0], WRONG, _mismatch(word, commitmentFor(id, seats[0], digestOf(id, WRONG))));
        // To another set, without the result that was attested, by another's key.
        bytes32 result = digestOf(id, RIGHT);
        bytes32 root = keccak256(abi.encodePacked(summons.commitmentsOf(id)));
        (Attestation memory found, bytes memory signature) = attest(id, seats[0], result, "another set");
        vm.expectRevert(_mismatch(root, "another set"));
        summons.open(found, signature, inline_(RIGHT));
        (found, signature) = attest(id, seats[0], result, root);
        vm.expectRevert(_mismatch(result, digestOf(id, WRONG)));
        summons.open(found, signature, inline_(WRONG));
        vm.expectRevert(_mismatch(result, 0));
        summons.open(found, signature, "");
        bytes memory foreign = signBy(nodeKeyOf(seats[1]), attestationHashOf(found));
        vm.expectRevert(abi.encodeWithSelector(ISummons.BadSeatSignature.selector, id, seats[0]));
        summons.open(found, foreign, inline_(RIGHT));
        summons.open(found, signature, pointer_(RIGHT));
        vm.expectRevert(abi.encodeWithSelector(ISummons.AlreadyAnswered.selector, id, seats[0]));
        summons.open(found, signature, inline_(RIGHT));
        skip(REVEAL + 1);
        refuseOpening(
            id, seats[1], RIGHT, abi.encodeWithSelector(ISummons.TooLate.selector, vm.getBlockTimestamp() - 1)
        );
    }

    function testWhoDidNotCommitDoesNotOpen() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 5);
        bytes32 id = hashOf(order);
        for (uint256 i; i < 4; ++i) {
            commitSeat(id, seats[i], RIGHT);
        }
        skip(COMMIT + 1);
        refuseOpening(id, seats[4], RIGHT, abi.encodeWithSelector(ISummons.NothingToOpen.selector, id, seats[4]));
    }

    // ---- answers that exist already ----

    /// @dev All seats attested off chain, to a set of their own.
    function _answered(TaskOrder memory order, uint256 silent) private view returns (Evidence memory evidence) {
        bytes32 id = hashOf(order);
        evidence = provenOf(terms, clientKey, order, drawn(order), silent, digestOf(id, RIGHT));
    }

    function testANeedlessSummonsIsEndedByWhoeverShowsTheAnswer() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        commitSeat(id, seats[0], RIGHT);
        Evidence memory evidence = _answered(order, 0);
        vm.expectRevert(_mismatch(evidence.result, digestOf(id, WRONG)));
        summons.show(evidence, inline_(WRONG));
        // A verdict whose result is kept back, or lies where nobody may find it, is no answer.
        bytes memory elsewhere = pointer_(RIGHT);
        vm.expectRevert(_mismatch(evidence.result, 0));
        summons.show(evidence, elsewhere);
        vm.expectRevert(_mismatch(evidence.result, 0));
        summons.show(evidence, "");
        uint256 stake = bondedOf(seats[2]);
        vm.prank(coordinator);
        summons.show(evidence, inline_(RIGHT));
        assertEq(summons.owed(coordinator), LEAST_FEE, "for the gas of showing it");
        assertEq(summons.owed(operatorOf(seats[0])), LEAST_FEE, "for the gas of its commitment");
        assertEq(summons.owed(client), DEPOSIT_WEI + 2 * LEAST_FEE);
        assertEq(address(summons).balance, DEPOSIT_WEI + 4 * LEAST_FEE);
        assertEq(bondedOf(seats[2]), stake, "nobody was silent");
        vm.expectRevert(abi.encodeWithSelector(ISummons.NotSummoned.selector, id));
        summons.close(id);
        channels.settle(evidence);
    }

    function testTheVerdictOfOthersEndsNothing() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        bytes32 id = hashOf(order);
        uint32[] memory others = drawn(order);
        others[0] = _outsider(seats);
        _sorted(others);
        uint32 first = others[0] == seats[0] ? (others[1] == seats[1] ? others[2] : others[1]) : others[0];
        Evidence memory evidence = provenOf(terms, clientKey, order, others, 0, digestOf(id, RIGHT));
        vm.expectRevert(abi.encodeWithSelector(ISummons.NoSeat.selector, id, first));
        summons.show(evidence, inline_(RIGHT));
    }

    function testAnAnswerThatComesAfterTheTimeSavesNobody() public {
        (TaskOrder memory order,) = summoned(0, 3);
        Evidence memory evidence = _answered(order, 0);
        skip(COMMIT + REVEAL + 1);
        vm.expectRevert(abi.encodeWithSelector(ISummons.TooLate.selector, vm.getBlockTimestamp() - 1));
        summons.show(evidence, inline_(RIGHT));
    }

    /// @dev What was settled without an answer stays summoned: the seats owe the result.
    function testASettlementAloneEndsNothing() public {
        (TaskOrder memory order, uint32[] memory seats) = summoned(0, 3);
        channels.settle(_answered(order, 0));
        uint256 stake = bondedOf(seats[0]);
        skip(COMMIT + 1);
        summons.close(hashOf(order));
        assertEq(bondedOf(seats[0]), stake * 95 / 100);
    }

    // ---- money ----

    function testAReceiverThatRefusesStopsOnlyItself() public {
        (TaskOrder memory order,) = summoned(0, 3);
        skip(COMMIT + 1);
        summons.close(hashOf(order));
        uint256 due = summons.owed(client);
        vm.etch(client, hex"5f5ffd");
        vm.expectRevert(abi.encodeWithSelector(ISummons.TransferFailed.selector, client, due));
        summons.withdraw(client);
        assertEq(summons.owed(client), due);
    }

    // ---- deployment ----

    function _refusedLimits(ISummons.Limits memory limits, bytes memory reason) private {
        vm.expectRevert(reason);
        new Summons(address(manager), address(channels), address(ledger), address(registry), limits);
    }

    function testConstructorWantsNeighboursAndWindowsThatFit() public {
        vm.expectRevert(ISummons.ZeroAddress.selector);
        new Summons(address(0), address(channels), address(ledger), address(registry), summonsLimits());
        vm.expectRevert(ISummons.ZeroAddress.selector);
        new Summons(address(manager), address(0), address(ledger), address(registry), summonsLimits());
        vm.expectRevert(ISummons.ZeroAddress.selector);
        new Summons(address(manager), address(channels), address(0), address(registry), summonsLimits());
        vm.expectRevert(ISummons.ZeroAddress.selector);
        new Summons(address(manager), address(channels), address(ledger), address(0), summonsLimits());
        ISummons.Limits memory limits = summonsLimits();
        limits.commitWindow = 0;
        _refusedLimits(limits, abi.encodeWithSelector(ISummons.BadParameter.selector, "commitWindow"));
        limits = summonsLimits();
        limits.revealWindow = 1 days + 1;
        _refusedLimits(limits, abi.encodeWithSelector(ISummons.BadParameter.selector, "revealWindow"));
        limits = summonsLimits();
        limits.mostOpen = 0;
        _refusedLimits(limits, abi.encodeWithSelector(ISummons.BadParameter.selector, "mostOpen"));
        limits = summonsLimits();
        limits.commitWindow = (uint32(SETTLE) - REVEAL) / 2 + 1;
        _refusedLimits(limits, abi.encodeWithSelector(ISummons.BadParameter.selector, "windows"));
        --limits.commitWindow;
        Summons fits = new Summons(address(manager), address(channels), address(ledger), address(registry), limits);
        assertEq(fits.limits().commitWindow, limits.commitWindow);
    }
}
