// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, ChannelTerms, Evidence, Outcome, TaskOrder} from "../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {IStakeSnapshots} from "../src/interfaces/IStakeSnapshots.sol";
import {Policy, Role} from "../src/interfaces/Types.sol";
import {FeeSplit} from "../src/libraries/FeeSplit.sol";
import {ChannelTest, WalletStub} from "./utils/ChannelTest.sol";

/// @title One order at a time: what settles, what does not, and where the money goes
contract PaymentChannelsSettleTest is ChannelTest {
    function _balance() private view returns (uint256) {
        return channels.channels(channel).balance;
    }

    function _refuse(Evidence memory evidence, bytes memory why) private {
        vm.expectRevert(why);
        channels.settle(evidence);
    }

    function _err(bytes4 selector, bytes32 a) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    // ---- money ----

    function testPaysEverybodyItsShare() public {
        TaskOrder memory order = orderOf(0, 3);
        Evidence memory evidence = proven(order, 0);
        uint256 reputation = ledger.accounts(evidence.seats[0].account).reputation;
        vm.prank(stranger);
        uint256 paid = channels.settle(evidence);

        uint256 kept = PRICE * (COORDINATOR_SHARE + PROTOCOL_SHARE) / 10_000;
        uint256 seatFee = (PRICE - kept - MODEL_PRICE) / 3;
        assertEq(paid, kept + MODEL_PRICE + 3 * seatFee, "debit");
        assertEq(_balance(), DEPOSIT - paid, "balance");
        for (uint256 i; i < 3; ++i) {
            assertEq(ledger.claimable(operatorOf(evidence.seats[i].account)), seatFee, "seat");
        }
        assertEq(ledger.claimable(provider), MODEL_PRICE, "model provider");
        assertGt(ledger.accounts(evidence.seats[0].account).reputation, reputation, "reputation");
        assertEq(channels.channels(channel).floor, 1, "floor");

        channels.collect(terms);
        assertEq(ledger.claimable(coordinator), PRICE * COORDINATOR_SHARE / 10_000, "coordinator");
        assertEq(ledger.protocolFees(), PRICE * PROTOCOL_SHARE / 10_000, "protocol");
        assertEq(ledger.laneFunds(), DEPOSIT - paid, "what is left for channels");
        ledger.claim(provider);
        assertEq(provider.balance, MODEL_PRICE, "claimed");
    }

    /// forge-config: default.fuzz.runs = 96
    function testFuzz_NeverMoreThanThePriceAndNothingIsLost(uint96 fee, uint8 seats, uint256 silent) public {
        seats = uint8(bound(seats, 3, 5));
        TaskOrder memory order = orderOf(0, seats);
        order.maxFee = uint96(bound(fee, 0.02 ether, 50 ether));
        silent = seats < 4 ? 0 : 1 << silent % seats;
        Evidence memory evidence = proven(order, silent);
        (bool ok,) = address(channels).call(abi.encodeCall(channels.settle, (evidence)));
        if (!ok) {
            // Without the heaviest seat the rest may be too light.
            assertGt(silent, 0, "only a silent seat can spoil it");
            assertEq(_balance(), DEPOSIT, "nothing moved");
            return;
        }
        uint256 spent = DEPOSIT - _balance();
        assertLe(spent, order.maxFee, "price");
        if (silent == 0) assertLt(order.maxFee - spent, seats, "only dust stays behind");
        channels.collect(terms);
        uint256 owed = ledger.claimable(provider) + ledger.claimable(coordinator) + ledger.protocolFees();
        for (uint256 i; i < seats; ++i) {
            uint256 due = ledger.claimable(operatorOf(evidence.seats[i].account));
            if (silent >> i & 1 == 1) assertEq(due, 0, "silence earns nothing");
            owed += due;
        }
        assertEq(owed, spent, "every wei of the debit is owed to somebody");
        assertEq(ledger.laneFunds(), _balance(), "funds");
    }

    function testFourOfFiveAreEnoughAndTheFifthFeeStays() public {
        TaskOrder memory order = orderOf(0, 5);
        uint32[] memory seats = drawn(order);
        uint256 heavy;
        uint256 silent;
        for (uint256 i; i < 5; ++i) {
            uint256 weight = snapshots.weightAt(exactModel, order.epoch, seats[i]);
            if (heavy == 0 || weight < heavy) (heavy, silent) = (weight, i);
        }
        Evidence memory evidence = proven(order, 1 << silent);
        uint256 paid = channels.settle(evidence);
        uint256 kept = PRICE * (COORDINATOR_SHARE + PROTOCOL_SHARE) / 10_000;
        uint256 seatFee = (PRICE - kept - MODEL_PRICE) / 5;
        assertEq(paid, kept + MODEL_PRICE + 4 * seatFee);
    }

    function testTwoOfThreeAreNoVerdict() public {
        TaskOrder memory order = orderOf(0, 3);
        _refuse(proven(order, 1), _err(IPaymentChannels.NoVerdict.selector, hashOf(order)));
    }

    function testAPriceThatDoesNotCoverTheModel() public {
        TaskOrder memory order = orderOf(0, 3);
        order.maxFee = MODEL_PRICE;
        uint256 shares = uint256(MODEL_PRICE) * 300 / 10_000 + uint256(MODEL_PRICE) * 500 / 10_000;
        _refuse(
            proven(order, 0), abi.encodeWithSelector(FeeSplit.FeeTooLow.selector, MODEL_PRICE, MODEL_PRICE + shares)
        );
    }

    function testADepositThatIsTooSmall() public {
        ChannelTerms memory small = openChannel(client, 0, "small", 0.05 ether);
        advance();
        TaskOrder memory order = orderFor(channels.channelId(small), 0, 3);
        Evidence memory evidence = provenBy(small, clientKey, order, drawn(order), 0);
        uint256 needed = channels.check(evidence).debit;
        _refuse(
            evidence,
            abi.encodeWithSelector(IPaymentChannels.InsufficientDeposit.selector, order.channel, needed, 0.05 ether)
        );
    }

    // ---- sequences ----

    function testASequenceSettlesOnce() public {
        Evidence memory evidence = proven(orderOf(0, 3), 0);
        channels.settle(evidence);
        bytes memory again = abi.encodeWithSelector(IPaymentChannels.AlreadySettled.selector, channel, 0);
        _refuse(evidence, again);
        TaskOrder memory other = orderOf(0, 3);
        other.inputDigest = keccak256("another input under the same number");
        _refuse(proven(other, 0), again);
        Evidence memory ahead = proven(orderOf(5, 3), 0);
        channels.settle(ahead);
        _refuse(ahead, abi.encodeWithSelector(IPaymentChannels.AlreadySettled.selector, channel, 5));
    }

    /// forge-config: default.fuzz.runs = 48
    function testFuzz_AnyOrderOfSequences(uint256 seed) public {
        uint256 settled;
        for (uint256 i; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint32 sequence = uint32(seed % 10);
            Evidence memory evidence = proven(orderOf(sequence, 3), 0);
            if (settled >> sequence & 1 == 1) {
                _refuse(evidence, abi.encodeWithSelector(IPaymentChannels.AlreadySettled.selector, channel, sequence));
            } else {
                channels.settle(evidence);
                settled |= 1 << sequence;
            }
            uint256 floor;
            while (settled >> floor & 1 == 1) ++floor;
            assertEq(channels.channels(channel).floor, floor, "floor");
            assertEq(channels.channels(channel).window, settled >> floor, "window");
        }
    }

    /// @dev Each sequence has its own committee: nobody may look through them for a friendly one without paying.
    function testSequencesCannotRunAhead() public {
        channels.settle(proven(orderOf(63, 3), 0));
        _refuse(proven(orderOf(64, 3), 0), abi.encodeWithSelector(IPaymentChannels.SequenceTooFar.selector, 64, 64));
        channels.settle(proven(orderOf(0, 3), 0));
        channels.settle(proven(orderOf(64, 3), 0));
    }

    // ---- time ----

    function testDeadlineAndEpochs() public {
        TaskOrder memory order = orderOf(0, 3);
        Evidence memory evidence = proven(order, 0);
        uint256 latest = order.deadline + SETTLE;
        vm.warp(latest + 1);
        _refuse(evidence, abi.encodeWithSelector(IPaymentChannels.OrderExpired.selector, hashOf(order), latest));

        order.deadline = uint40(latest + 10_000);
        order.epoch = uint32(beacon.currentEpoch()) + 1;
        _refuse(
            provenBy(terms, clientKey, order, _anyThree(), 0),
            abi.encodeWithSelector(IPaymentChannels.EpochAhead.selector, order.epoch, order.epoch - 1)
        );
        order.epoch -= uint32(1 + ORDER_EPOCHS);
        _refuse(
            provenBy(terms, clientKey, order, _anyThree(), 0),
            abi.encodeWithSelector(IPaymentChannels.OrderTooOld.selector, order.epoch, order.epoch + 1)
        );
    }

    function testAChannelMustBeOlderThanTheSeed() public {
        ChannelTerms memory young = openChannel(client, 0, "young", 1 ether);
        TaskOrder memory order = orderFor(channels.channelId(young), 0, 3);
        _refuse(
            provenBy(young, clientKey, order, drawn(order), 0),
            abi.encodeWithSelector(IPaymentChannels.ChannelTooYoung.selector, order.epoch, young.openedIn)
        );
    }

    // ---- liars ----

    function testTermsOfAnotherChannel() public {
        Evidence memory evidence = proven(orderOf(0, 3), 0);
        evidence.terms.coordinatorShare = 0;
        _refuse(
            evidence,
            abi.encodeWithSelector(IPaymentChannels.WrongChannel.selector, channels.channelId(evidence.terms), channel)
        );
    }

    function testForgedOrders() public {
        TaskOrder memory order = orderOf(0, 3);
        Evidence memory evidence = provenBy(terms, coordinatorKey, order, drawn(order), 0);
        _refuse(evidence, _err(IPaymentChannels.BadOrderSignature.selector, hashOf(order)));
        evidence = proven(order, 0);
        evidence.order.maxFee += 1;
        _refuse(evidence, _err(IPaymentChannels.BadOrderSignature.selector, hashOf(evidence.order)));
        evidence = proven(order, 0);
        evidence.orderSignature = "";
        _refuse(evidence, _err(IPaymentChannels.BadOrderSignature.selector, hashOf(order)));
    }

    function testForgedAttestations() public {
        TaskOrder memory order = orderOf(0, 3);
        bytes32 hash = hashOf(order);
        Evidence memory evidence = proven(order, 0);
        bytes memory bad =
            abi.encodeWithSelector(IPaymentChannels.BadSeatSignature.selector, hash, evidence.seats[1].account);
        // Another member's signature, another result, a wrong salt, a key of nobody.
        evidence.seats[1].signature = evidence.seats[0].signature;
        _refuse(evidence, bad);
        evidence = proven(order, 0);
        evidence.result = keccak256("another");
        (bool ok,) = address(channels).call(abi.encodeCall(channels.settle, (evidence)));
        assertFalse(ok, "another result");
        evidence = proven(order, 0);
        evidence.seats[1].word = keccak256("not the salt");
        (ok,) = address(channels).call(abi.encodeCall(channels.settle, (evidence)));
        assertFalse(ok, "a commitment that does not open");
        evidence = proven(order, 0);
        evidence.seats[1].signature = signBy(clientKey, keccak256("anything"));
        _refuse(evidence, bad);
        evidence.seats[1].signature = hex"1234";
        _refuse(evidence, bad);
    }

    /// @dev Attestations for two different closed sets do not count together.
    function testAttestationsOfTwoSets() public {
        TaskOrder memory order = orderOf(0, 3);
        bytes32 hash = hashOf(order);
        Evidence memory evidence = proven(order, 0);
        uint32 account = evidence.seats[2].account;
        (, evidence.seats[2].signature) = attest(hash, account, RESULT, keccak256("another set"));
        _refuse(evidence, abi.encodeWithSelector(IPaymentChannels.BadSeatSignature.selector, hash, account));
    }

    function testCommitteesThatCannotBe() public {
        TaskOrder memory order = orderOf(0, 3);
        bytes memory bad = _err(IPaymentChannels.BadCommittee.selector, hashOf(order));
        uint32[] memory seats = drawn(order);
        (seats[0], seats[1]) = (seats[1], seats[0]);
        _refuse(provenBy(terms, clientKey, order, seats, 0), bad);
        seats[0] = seats[1];
        _refuse(provenBy(terms, clientKey, order, seats, 0), bad);
        seats = drawn(order);
        order.seats = 4;
        _refuse(
            provenBy(terms, clientKey, order, seats, 0), _err(IPaymentChannels.BadCommittee.selector, hashOf(order))
        );
        order.seats = 2;
        seats = new uint32[](2);
        (seats[0], seats[1]) = (pool[0], pool[1]);
        _refuse(
            provenBy(terms, clientKey, order, seats, 0), _err(IPaymentChannels.BadCommittee.selector, hashOf(order))
        );
    }

    function testWhoIsNotRecordedHasNoSeat() public {
        Operator memory late = addOperator(Role.Compute, COMPUTE_MIN);
        serve(late, exactModel);
        TaskOrder memory order = orderOf(0, 3);
        uint32[] memory seats = _anyThree();
        seats[2] = late.account;
        _refuse(
            provenBy(terms, clientKey, order, seats, 0),
            abi.encodeWithSelector(IPaymentChannels.NotEligible.selector, hashOf(order), late.account)
        );
    }

    function testOtherPoliciesAndModelsWithoutAPrice() public {
        TaskOrder memory order = orderOf(0, 3);
        uint32[] memory seats = drawn(order);
        order.policy = Policy.Numeric;
        _refuse(
            provenBy(terms, clientKey, order, seats, 0),
            abi.encodeWithSelector(IPaymentChannels.PolicyNotSettled.selector, Policy.Numeric)
        );
        order.policy = Policy.Exact;
        order.modelId = numericModel;
        _refuse(
            provenBy(terms, clientKey, order, seats, 0),
            abi.encodeWithSelector(IStakeSnapshots.ModelNotRecorded.selector, numericModel, order.epoch)
        );
    }

    /// @dev A member that forbids its key after it attested cannot take the others' pay with it.
    function testAKeyThatWasForbiddenStillCounts() public {
        Evidence memory evidence = proven(orderOf(0, 3), 0);
        Operator memory operator = operators[(evidence.seats[0].account >> 1) - 1];
        assertEq(operator.account, evidence.seats[0].account);
        vm.prank(operator.cold);
        tasks.setNodeKey(operator.node, false, "");
        channels.settle(evidence);
    }

    // ---- contract accounts ----

    function testAWalletAsRequester() public {
        WalletStub wallet = new WalletStub(client);
        vm.deal(address(wallet), 10 ether);
        wallet.run(address(channels), 5 ether, abi.encodeCall(channels.open, (coordinator, 0, "wallet")));
        ChannelTerms memory its =
            ChannelTerms(address(wallet), coordinator, uint32(beacon.currentEpoch()), 0, PROTOCOL_SHARE, "wallet");
        advance();
        TaskOrder memory order = orderFor(channels.channelId(its), 0, 3);
        Evidence memory evidence = provenBy(its, clientKey, order, drawn(order), 0);
        vm.expectRevert(_err(IPaymentChannels.BadOrderSignature.selector, hashOf(order)));
        channels.check(evidence);
        wallet.setSilent(true);
        _refuse(evidence, _err(IPaymentChannels.BadOrderSignature.selector, hashOf(order)));
        wallet.setSilent(false);
        channels.settle(evidence);
    }

    function _consentHash(address cold, address node) private view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ML Bridge"),
                keccak256("1"),
                block.chainid,
                address(tasks)
            )
        );
        bytes32 word = keccak256(abi.encode(keccak256("NodeConsent(address operator,address node)"), cold, node));
        return keccak256(abi.encodePacked(hex"1901", separator, word));
    }

    function testAWalletAsNodeKey() public {
        TaskOrder memory order = orderOf(0, 3);
        Evidence memory evidence = proven(order, 0);
        Operator memory operator = operators[(evidence.seats[0].account >> 1) - 1];
        WalletStub wallet = new WalletStub(operator.node);
        bytes memory consent = signBy(nodeKeyOf(operator.account), _consentHash(operator.cold, address(wallet)));
        vm.prank(operator.cold);
        tasks.setNodeKey(address(wallet), true, consent);
        evidence.seats[0].signature = abi.encodePacked(address(wallet), evidence.seats[0].signature);
        bytes memory bad = abi.encodeWithSelector(
            IPaymentChannels.BadSeatSignature.selector, hashOf(order), evidence.seats[0].account
        );
        vm.expectRevert(bad);
        channels.check(evidence);
        wallet.setSilent(true);
        _refuse(evidence, bad);
        wallet.setSilent(false);
        channels.settle(evidence);
    }

    function _anyThree() private view returns (uint32[] memory seats) {
        seats = new uint32[](3);
        (seats[0], seats[1], seats[2]) = (pool[0], pool[1], pool[2]);
    }

    function testCheckSaysWhatSettleDoes() public {
        Evidence memory evidence = proven(orderOf(0, 5), 0);
        Outcome memory outcome = channels.check(evidence);
        assertEq(outcome.order, hashOf(evidence.order));
        assertEq(outcome.winners.length, 5);
        assertEq(channels.settle(evidence), outcome.debit);
        assertEq(outcome.modelProvider, provider);
        assertEq(
            channels.attestationHash(Attestation("a", 2, "b", "c", "d")),
            attestationHashOf(Attestation("a", 2, "b", "c", "d"))
        );
    }
}
