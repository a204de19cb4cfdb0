// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Decoys} from "../src/Decoys.sol";
import {IDecoys} from "../src/interfaces/IDecoys.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {ITaskManager} from "../src/interfaces/ITaskManager.sol";
import {Role, Seat} from "../src/interfaces/Types.sol";
import {DecoyMath} from "../src/libraries/DecoyMath.sol";
import {AppealsTest} from "./utils/AppealsTest.sol";
import {Vm} from "./utils/Vm.sol";

/// @title Cases with planted wrong results, played with the whole system
contract DecoysContractTest is AppealsTest {
    uint32 private constant INTERVAL = 1 days;
    uint32 private constant TIME = 1 hours;
    uint64 private constant JUDGE_OF_JUDGES = 11;
    uint256 private constant CARELESS = 5;

    Decoys private decoys;
    /// @dev Seats of the panel, from the first on, that vote as told.
    uint256 private told = 1;

    /// @dev A case ready to settle, as a client knows it.
    struct Play {
        uint256 caseId;
        uint256 mask; // decoys
        uint32[3] authors;
        bytes[] results;
        bytes32 reviewId;
        uint32[] accounts;
        bytes32[] values;
    }

    function setUp() public override {
        super.setUp();
        decoys = new Decoys(
            address(manager), address(token), address(ledger), address(tasks), address(registry), INTERVAL, TIME
        );
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = ledger.fine.selector;
        vm.startPrank(governor);
        allowReviewer(address(decoys));
        manager.setTargetFunctionRole(address(ledger), selectors, JUDGE_OF_JUDGES);
        manager.grantRole(JUDGE_OF_JUDGES, address(decoys), 0);
        vm.stopPrank();
        addPool(3, 12);
        for (uint256 i = 3; i < 9; ++i) {
            _enlist(i);
        }
        vm.prank(treasury);
        token.transfer(address(decoys), 10_000e18);
        vm.warp(vm.getBlockTimestamp() + INTERVAL);
    }

    function _secret(uint32 account, uint256 number) private pure returns (bytes32 secret) {
        secret = keccak256(abi.encode("end of chain", account));
        for (uint256 i = number; i < 8; ++i) {
            secret = keccak256(abi.encode(secret));
        }
    }

    function _enlist(uint256 index) private {
        uint32 account = operators[index].account;
        vm.prank(operators[index].cold);
        decoys.enlist(exactModel, account, _secret(account, 0));
    }

    function _drawn() private returns (Play memory play) {
        play.caseId = decoys.openCase(exactModel, INPUT);
        vm.roll(vm.getBlockNumber() + 3);
        decoys.drawAuthors(play.caseId);
        IDecoys.Case memory found = decoys.cases(play.caseId);
        play.authors = found.authors;
        for (uint256 i; i < 3; ++i) {
            if (DecoyMath.isDecoy(_secret(play.authors[i], 1), found.seed)) play.mask |= 1 << i;
        }
    }

    function _bring(Play memory play, uint256 index, bytes memory payload) private {
        address who = operatorOf(play.authors[index]);
        vm.prank(who);
        decoys.bring(play.caseId, index, inline_(payload));
    }

    /// @dev Decoys bring WRONG, the others RIGHT; seat 0 of the panel votes as told, the rest as they found.
    function _voted(bool lying, bytes memory odd) private returns (Play memory play) {
        play = _drawn();
        play.results = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            bool wrong = play.mask >> i & 1 == 1;
            if (lying && i == 0) wrong = !wrong;
            play.results[i] = inline_(wrong ? WRONG : RIGHT);
            _bring(play, i, wrong ? WRONG : RIGHT);
        }
        vm.recordLogs();
        decoys.callPanel(play.caseId, INPUT, play.results);
        play.reviewId = _called();
        draw(play.reviewId);
        uint8[] memory votes = new uint8[](3);
        for (uint256 i; i < 3; ++i) {
            votes[i] = keccak256(play.results[i]) == keccak256(inline_(WRONG)) ? REJECT : ACCEPT;
        }
        Seat[] memory seats = committee(play.reviewId);
        bytes[] memory payloads = new bytes[](seats.length);
        play.accounts = new uint32[](seats.length);
        play.values = new bytes32[](seats.length);
        for (uint256 i; i < seats.length; ++i) {
            payloads[i] = i < told && odd.length != 0 ? odd : packVotes(votes);
            play.accounts[i] = seats[i].account;
            play.values[i] = bytes32(uint256(uint32(bytes4(payloads[i]))) | 1 << 32);
        }
        playRound(play.reviewId, payloads);
    }

    function _called() private returns (bytes32 reviewId) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == IDecoys.PanelCalled.selector) reviewId = logs[i].topics[2];
        }
    }

    function _openSecrets(Play memory play) private {
        for (uint256 i; i < 3; ++i) {
            decoys.openSecret(play.caseId, i, _secret(play.authors[i], 1));
        }
    }

    function _settle(Play memory play) private {
        decoys.settle(play.caseId, play.accounts, play.values, 31);
    }

    function _ones(uint256 mask) private pure returns (uint256) {
        return (mask & 1) + (mask >> 1 & 1) + (mask >> 2 & 1);
    }

    // ---- one case ----

    function _lazy(bytes memory votes, uint256 carelessOnDecoy, uint256 carelessOnOther) private {
        Play memory play = _voted(false, votes);
        uint256 before = bondedOf(play.accounts[0]);
        uint256 other = bondedOf(play.accounts[1]);
        _openSecrets(play);
        _settle(play);
        uint256 count = _ones(play.mask) * carelessOnDecoy + (3 - _ones(play.mask)) * carelessOnOther;
        assertEq(before - bondedOf(play.accounts[0]), count * CARELESS * JUDGE_FEE, "fined for each careless vote");
        assertEq(bondedOf(play.accounts[1]), other, "whoever ran the model is not");
        assertEq(ledger.accounts(play.accounts[0]).jailedUntil, 0);
        assertEq(ledger.claimableTokens(operatorOf(play.accounts[0])), JUDGE_FEE, "the fee does not depend on the vote");
        assertEq(uint256(decoys.cases(play.caseId).phase), uint256(IDecoys.Phase.Ended));
    }

    function test_AlwaysAcceptIsFinedForEveryDecoy() public {
        _lazy(packVotes(_all(ACCEPT)), 1, 0);
    }

    function test_AlwaysGreyIsFinedForEveryDecoy() public {
        _lazy(packVotes(_all(GREY)), 1, 0);
    }

    /// @dev Two seats of five leave no candidate with 70 % of the weight. They must not be better off than one.
    function test_TwoThatAbstainAreFinedAsOneIs() public {
        Play memory play = _undecided();
        uint256 before = bondedOf(play.accounts[0]) + bondedOf(play.accounts[1]);
        uint256 other = bondedOf(play.accounts[2]);
        _openSecrets(play);
        _settle(play);
        uint256 left = bondedOf(play.accounts[0]) + bondedOf(play.accounts[1]);
        assertEq(before - left, 2 * _ones(play.mask) * CARELESS * JUDGE_FEE, "fined for each careless vote");
        assertEq(bondedOf(play.accounts[2]), other, "whoever ran the model is not");
    }

    /// @dev Or authors and judges of one hand would abstain and hide what it was about.
    function test_WhoHidesASecretOfAnUndecidedCaseIsFined() public {
        Play memory play = _undecided();
        uint256 before = bondedOf(play.authors[0]);
        skip(TIME + 1);
        _settle(play);
        assertEq(before - bondedOf(play.authors[0]), 3 * JUDGE_FEE);
    }

    /// @dev A case with a decoy on which two judges abstained.
    function _undecided() private returns (Play memory play) {
        told = 2;
        for (uint256 round; round < 8; ++round) {
            skip(INTERVAL);
            for (uint256 i = 3; i < 9; ++i) {
                _enlist(i); // a new chain each time keeps the test short
            }
            play = _voted(false, packVotes(_all(GREY)));
            IDecoys.Case memory found = decoys.cases(play.caseId);
            assertEq(uint256(found.phase), uint256(IDecoys.Phase.Opening), "the case goes on to its secrets");
            assertEq(found.accepted | found.rejected, 0, "nothing is decided");
            if (play.mask != 0) return play;
            _openSecrets(play);
            _settle(play);
        }
        fail("no decoy in eight cases");
    }

    function test_AlwaysRejectIsFinedForEveryHonestResult() public {
        _lazy(packVotes(_all(REJECT)), 0, 1);
    }

    function test_HonestJudgesAreNotFined() public {
        _lazy("", 0, 0);
    }

    function _all(uint8 vote) private pure returns (uint8[] memory votes) {
        votes = new uint8[](3);
        (votes[0], votes[1], votes[2]) = (vote, vote, vote);
    }

    /// @dev Over several cases, so that decoys and others are met.
    function test_AuthorsThatDidTheirWorkArePaid() public {
        uint256 met;
        for (uint256 round; round < 3; ++round) {
            skip(INTERVAL);
            for (uint256 i = 3; i < 9; ++i) {
                _enlist(i); // a new chain each time keeps the test short
            }
            Play memory play = _voted(false, "");
            uint256[3] memory before;
            for (uint256 i; i < 3; ++i) {
                before[i] = token.balanceOf(operatorOf(play.authors[i]));
            }
            _openSecrets(play);
            _settle(play);
            for (uint256 i; i < 3; ++i) {
                assertEq(token.balanceOf(operatorOf(play.authors[i])), before[i] + JUDGE_FEE, "author");
                assertFalse(decoys.authors(exactModel, play.authors[i]).busy);
                assertEq(decoys.authors(exactModel, play.authors[i]).anchor, _secret(play.authors[i], 1));
            }
            met |= play.mask << 1 | (play.mask ^ 7) << 5;
        }
        assertTrue(met & 0xE != 0 && met & 0xE0 != 0, "decoys and others");
    }

    /// @dev A decoy that brings what is right, or an author that lies without being a decoy.
    function test_AnAuthorThatLiesAnswersAndNoJudgeDoes() public {
        Play memory play = _voted(true, "");
        uint256 before = bondedOf(play.authors[0]);
        uint256 judge = bondedOf(play.accounts[1]);
        _openSecrets(play);
        _settle(play);
        assertEq(before - bondedOf(play.authors[0]), 3 * JUDGE_FEE);
        assertEq(bondedOf(play.accounts[1]), judge);
    }

    function test_ADecoyThatHidesItsSecretIsALiar() public {
        for (uint256 round; round < 8; ++round) {
            skip(INTERVAL);
            for (uint256 i = 3; i < 9; ++i) {
                _enlist(i);
            }
            Play memory play = _voted(false, "");
            if (play.mask == 0) {
                _openSecrets(play);
                _settle(play);
                continue;
            }
            skip(TIME + 1);
            uint256 before = bondedOf(play.authors[0]) + bondedOf(play.authors[1]) + bondedOf(play.authors[2]);
            _settle(play);
            uint256 left = bondedOf(play.authors[0]) + bondedOf(play.authors[1]) + bondedOf(play.authors[2]);
            assertEq(before - left, _ones(play.mask) * 3 * JUDGE_FEE);
            return;
        }
        fail("no decoy in eight cases");
    }

    function test_WhoeverBringsNothingIsFinedAndTheCaseIsVoid() public {
        Play memory play = _drawn();
        _bring(play, 0, RIGHT);
        _bring(play, 2, RIGHT);
        expectError(IDecoys.NotYet.selector);
        decoys.callPanel(play.caseId, INPUT, play.results);
        uint256 before = bondedOf(play.authors[1]);
        skip(TIME + 1);
        decoys.callPanel(play.caseId, INPUT, play.results);
        assertEq(before - bondedOf(play.authors[1]), 3 * JUDGE_FEE);
        assertEq(bondedOf(play.authors[0]), 2 * VERIFIER_MIN);
        assertFalse(decoys.authors(exactModel, play.authors[0]).busy);
    }

    // ---- liars ----

    function test_NobodyOpensAnotherSecretOrOpensTwice() public {
        Play memory play = _voted(false, "");
        expectError(IDecoys.WrongSecret.selector);
        decoys.openSecret(play.caseId, 0, _secret(play.authors[0], 2));
        expectError(IDecoys.WrongSecret.selector);
        decoys.openSecret(play.caseId, 0, _secret(play.authors[1], 1));
        decoys.openSecret(play.caseId, 0, _secret(play.authors[0], 1));
        vm.expectRevert(abi.encodeWithSelector(IDecoys.AlreadyDone.selector, 0));
        decoys.openSecret(play.caseId, 0, _secret(play.authors[0], 2));
        vm.expectRevert(abi.encodeWithSelector(IDecoys.BadIndex.selector, 3));
        decoys.openSecret(play.caseId, 3, 0);
        skip(TIME + 1);
        expectError(IDecoys.TooLate.selector);
        decoys.openSecret(play.caseId, 1, _secret(play.authors[1], 1));
    }

    function test_NobodySettlesWithOtherVotesOrEarly() public {
        Play memory play = _voted(false, packVotes(_all(ACCEPT)));
        expectError(IDecoys.NotYet.selector);
        _settle(play);
        _openSecrets(play);
        bytes32 kept = play.values[0];
        play.values[0] = play.values[1] == kept ? bytes32(0) : play.values[1];
        expectError(IDecoys.ContentDiffers.selector);
        _settle(play);
        play.values[0] = kept;
        _settle(play);
        expectError(IDecoys.WrongPhase.selector);
        _settle(play);
    }

    function test_NoNewChainInTheMiddleOfACase() public {
        Play memory play = _drawn();
        address who = operatorOf(play.authors[0]);
        vm.startPrank(who);
        vm.expectRevert(abi.encodeWithSelector(IDecoys.AuthorBusy.selector, play.authors[0]));
        decoys.enlist(exactModel, play.authors[0], keccak256("better"));
        vm.expectRevert(abi.encodeWithSelector(IDecoys.AuthorBusy.selector, play.authors[0]));
        decoys.retire(exactModel, play.authors[0]);
    }

    /// @dev Who knows the block hash could choose a secret that makes it a decoy, or a list that draws it.
    function test_NobodyChoosesASecretOrAListForAKnownSeed() public {
        uint256 caseId = decoys.openCase(exactModel, INPUT);
        vm.roll(vm.getBlockNumber() + 3);
        vm.startPrank(operators[3].cold);
        vm.expectRevert(abi.encodeWithSelector(IDecoys.DrawPending.selector, 1));
        decoys.enlist(exactModel, operators[3].account, keccak256("chosen"));
        vm.expectRevert(abi.encodeWithSelector(IDecoys.DrawPending.selector, 1));
        decoys.retire(exactModel, operators[3].account);
        vm.stopPrank();
        decoys.drawAuthors(caseId);
        _enlist(9);
    }

    function test_OnlyAuthorsBringOnceInTime() public {
        Play memory play = _drawn();
        expectError(IDecoys.NotAuthor.selector);
        vm.prank(stranger);
        decoys.bring(play.caseId, 0, inline_(RIGHT));
        address who = operatorOf(play.authors[0]);
        vm.startPrank(who);
        vm.expectRevert(IDecoys.BadInput.selector);
        decoys.bring(play.caseId, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IDecoys.BadIndex.selector, 3));
        decoys.bring(play.caseId, 3, inline_(RIGHT));
        decoys.bring(play.caseId, 0, inline_(RIGHT));
        vm.expectRevert(abi.encodeWithSelector(IDecoys.AlreadyDone.selector, 0));
        decoys.bring(play.caseId, 0, inline_(WRONG));
        vm.stopPrank();
        skip(TIME + 1);
        who = operatorOf(play.authors[1]);
        expectError(IDecoys.TooLate.selector);
        vm.prank(who);
        decoys.bring(play.caseId, 1, inline_(RIGHT));
    }

    function test_ThePanelSeesWhatAuthorsBrought() public {
        Play memory play = _drawn();
        play.results = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            play.results[i] = inline_(RIGHT);
            _bring(play, i, RIGHT);
        }
        play.results[1] = inline_(WRONG);
        expectError(IDecoys.ContentDiffers.selector);
        decoys.callPanel(play.caseId, INPUT, play.results);
        play.results[1] = "";
        vm.expectRevert(IDecoys.BadInput.selector);
        decoys.callPanel(play.caseId, INPUT, play.results);
        play.results[1] = inline_(RIGHT);
        expectError(IDecoys.ContentDiffers.selector);
        decoys.callPanel(play.caseId, hex"00", play.results);
        vm.expectRevert(abi.encodeWithSelector(IDecoys.BadIndex.selector, 2));
        decoys.callPanel(play.caseId, INPUT, new bytes[](2));
    }

    // ---- who, when ----

    function test_OnlyVerifiersWithStakeEnlist() public {
        expectError(IDecoys.NotAuthor.selector);
        vm.prank(stranger);
        decoys.enlist(exactModel, operators[3].account, "a");
        vm.startPrank(operators[0].cold);
        vm.expectRevert(abi.encodeWithSelector(IDecoys.NotVerifier.selector, operators[0].account));
        decoys.enlist(exactModel, operators[0].account, "a");
        vm.stopPrank();
        vm.startPrank(operators[9].cold);
        vm.expectRevert(IDecoys.ZeroAnchor.selector);
        decoys.enlist(exactModel, operators[9].account, 0);
        vm.expectRevert(abi.encodeWithSelector(IDecoys.NotVerifier.selector, operators[9].account));
        decoys.retire(exactModel, operators[9].account);
        tasks.stopServing(exactModel, operators[9].account);
        vm.expectRevert(abi.encodeWithSelector(IDecoys.NotVerifier.selector, operators[9].account));
        decoys.enlist(exactModel, operators[9].account, "a");
        ledger.requestUnbond(Role.Verifier, 2 * VERIFIER_MIN);
        vm.expectRevert(abi.encodeWithSelector(IDecoys.NotVerifier.selector, operators[9].account));
        decoys.enlist(numericModel, operators[9].account, "a");
    }

    /// @dev A model that only its owner can run must not have strangers fined for not running it.
    function test_NobodyIsDrawnForAModelThatItDidNotListFor() public {
        uint256 caseId = decoys.openCase(numericModel, INPUT);
        vm.roll(vm.getBlockNumber() + 3);
        decoys.drawAuthors(caseId);
        assertEq(uint256(decoys.cases(caseId).phase), uint256(IDecoys.Phase.Ended), "void: its list is empty");
        for (uint256 i = 3; i < 9; ++i) {
            assertFalse(decoys.authors(exactModel, operators[i].account).busy);
            assertEq(bondedOf(operators[i].account), 2 * VERIFIER_MIN);
        }
    }

    function test_ADrawOfOneModelHoldsNobodyOfAnother() public {
        decoys.openCase(numericModel, INPUT);
        _enlist(9);
        vm.prank(operators[9].cold);
        decoys.retire(exactModel, operators[9].account);
    }

    /// @dev What lies elsewhere can be withheld: honest authors and judges would be fined for it.
    function test_NothingIsByPointer() public {
        (bytes memory elsewhere, bytes memory result) = (pointer_(INPUT), pointer_(RIGHT));
        vm.expectRevert(IDecoys.BadInput.selector);
        decoys.openCase(exactModel, elsewhere);
        Play memory play = _drawn();
        address who = operatorOf(play.authors[0]);
        vm.prank(who);
        vm.expectRevert(IDecoys.BadInput.selector);
        decoys.bring(play.caseId, 0, result);
    }

    function test_AModelThatCannotPayAPanelHoldsNobodyForEver() public {
        Play memory play = _drawn();
        play.results = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            play.results[i] = inline_(RIGHT);
            _bring(play, i, RIGHT);
        }
        uint256 reserve = ledger.disputeReserve(1);
        vm.startPrank(address(tasks));
        for (uint256 i; reserve >= JUDGE_FEE; ++i) {
            uint256 judges = reserve / JUDGE_FEE < 200 ? reserve / JUDGE_FEE : 200;
            ledger.earmarkJudges(bytes32(i), 1, judges);
            reserve -= judges * JUDGE_FEE;
        }
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.NoJudgeFees.selector, 1));
        decoys.callPanel(play.caseId, INPUT, play.results);
        skip(2 * TIME + 1);
        decoys.callPanel(play.caseId, INPUT, play.results);
        assertEq(uint256(decoys.cases(play.caseId).phase), uint256(IDecoys.Phase.Ended));
        for (uint256 i; i < 3; ++i) {
            assertFalse(decoys.authors(exactModel, play.authors[i]).busy);
            assertEq(bondedOf(play.authors[i]), 2 * VERIFIER_MIN, "they did their work");
        }
    }

    function test_RetiringKeepsTheListWhole() public {
        for (uint256 i = 3; i < 9; ++i) {
            vm.prank(operators[i].cold);
            decoys.retire(exactModel, operators[i].account);
            assertEq(decoys.authorCount(exactModel), 8 - i);
        }
        _enlist(5);
        assertEq(decoys.authors(exactModel, operators[5].account).index, 1);
    }

    function test_CasesAreRare() public {
        decoys.openCase(exactModel, INPUT);
        uint256 earliest = block.timestamp + INTERVAL;
        vm.expectRevert(abi.encodeWithSelector(IDecoys.TooSoon.selector, earliest));
        decoys.openCase(exactModel, INPUT);
        decoys.openCase(numericModel, INPUT);
        vm.expectRevert(IDecoys.BadInput.selector);
        vm.warp(earliest);
        decoys.openCase(exactModel, "");
    }

    function test_ACaseWithoutRandomnessOrAuthorsIsVoid() public {
        uint256 caseId = decoys.openCase(exactModel, INPUT);
        expectError(IDecoys.NotYet.selector);
        decoys.drawAuthors(caseId);
        vm.roll(vm.getBlockNumber() + 20_000);
        decoys.drawAuthors(caseId);
        assertEq(uint256(decoys.cases(caseId).phase), uint256(IDecoys.Phase.Ended));
        for (uint256 i = 3; i < 7; ++i) {
            vm.prank(operators[i].cold);
            decoys.retire(exactModel, operators[i].account);
        }
        skip(INTERVAL);
        caseId = decoys.openCase(exactModel, INPUT);
        vm.roll(vm.getBlockNumber() + 3);
        decoys.drawAuthors(caseId);
        assertEq(uint256(decoys.cases(caseId).phase), uint256(IDecoys.Phase.Ended));
    }

    function test_OnlyTheTaskManagerReportsOnlyGovernanceSetsTimesOnlyRolesFine() public {
        vm.expectRevert(IDecoys.OnlyTaskManager.selector);
        decoys.onVerdict(0, 0, 0, 0, 0);
        vm.expectRevert(IDecoys.OnlyTaskManager.selector);
        decoys.onNoVerdict(0);
        bytes4 refused = bytes4(keccak256("AccessManagedUnauthorized(address)"));
        vm.startPrank(stranger);
        expectError(refused);
        decoys.setTimes(INTERVAL, TIME);
        expectError(refused);
        ledger.fine(operators[0].account, 0, 1, 1);
        vm.stopPrank();
        vm.startPrank(governor);
        expectError(IDecoys.BadTimes.selector);
        decoys.setTimes(59, TIME);
        expectError(IDecoys.BadTimes.selector);
        decoys.setTimes(INTERVAL, 59);
        expectError(IDecoys.BadTimes.selector);
        decoys.setTimes(31 days, TIME);
        expectError(IDecoys.BadTimes.selector);
        decoys.setTimes(INTERVAL, 31 days);
        decoys.setTimes(1 hours, 2 hours);
        assertEq(decoys.interval(), 1 hours);
        assertEq(decoys.window(), 2 hours);
    }

    function test_AFineIsBoundedAndConservesMlb() public {
        uint32 account = operators[3].account;
        vm.startPrank(address(decoys));
        expectError(IRewardDistributor.AmountTooLarge.selector);
        ledger.fine(account, 0, 1, 7_500e18 + 1);
        expectError(IRewardDistributor.UnknownAccount.selector);
        ledger.fine(999, 0, 1, 1);
        uint256 reserve = ledger.disputeReserve(1);
        uint256 supply = token.totalSupply();
        assertEq(ledger.fine(account, 0, 1, 101), 101);
        assertEq(ledger.disputeReserve(1), reserve + 50);
        assertEq(token.totalSupply(), supply - 51);
        vm.stopPrank();
        vm.prank(operators[3].cold);
        ledger.requestUnbond(Role.Verifier, 2 * VERIFIER_MIN - 101);
        vm.startPrank(address(decoys));
        for (uint256 i; i < 7; ++i) {
            ledger.fine(account, 0, 1, 7_500e18);
        }
        assertEq(ledger.fine(account, 0, 1, 7_500e18), 0, "never more than there is");
        assertEq(ledger.accounts(account).unbonding, 0);
    }

    function test_ConstructorRefusesZeroAddresses() public {
        address[5] memory a = [address(manager), address(token), address(ledger), address(tasks), address(registry)];
        for (uint256 i; i < 5; ++i) {
            address kept = a[i];
            a[i] = address(0);
            vm.expectRevert(IDecoys.ZeroAddress.selector);
            new Decoys(a[0], a[1], a[2], a[3], a[4], INTERVAL, TIME);
            a[i] = kept;
        }
    }
}
