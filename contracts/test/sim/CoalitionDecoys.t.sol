// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Decoys} from "../../src/Decoys.sol";
import {IDecoys} from "../../src/interfaces/IDecoys.sol";
import {Seat} from "../../src/interfaces/Types.sol";
import {DecoyMath} from "../../src/libraries/DecoyMath.sol";
import {Vm} from "../utils/Vm.sol";
import {Chance} from "./Chance.sol";
import {Player} from "./Player.sol";

/// @title Coalitions of judges that do not run the model, where some of what they judge are decoy cases
/// @notice A run is one event: a dispute in which one of three members lied, or a case with planted wrong results. All
/// verifiers are authors too, and do that work; nobody pays them for it here, so figures are the judges' alone.
contract CoalitionDecoysTest is Player {
    uint64 private constant REVIEWER = 10;
    uint64 private constant FINER = 11;
    uint8 private constant SEATS = 3;
    uint256 private constant PANEL = 5;
    uint256 private constant HELD = 4;
    /// @dev Cases among a hundred events: more than the two fifteenths at which a lone blind judge breaks even.
    uint256 private constant RATE = 25;
    uint256 private constant BLOCKS = 1_000_000;
    /// @dev From which on a mean says which side of nothing it is on.
    uint256 private constant MANY_RUNS = 200;

    Decoys private decoys;

    function setUp() public override {
        super.setUp();
        bytes memory arguments = abi.encode(
            address(manager), address(token), address(ledger), address(tasks), address(registry), 1 days, 1 hours
        );
        bytes memory code = bytes.concat(creationCode("Decoys"), arguments);
        address made;
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        decoys = Decoys(made);
        vm.startPrank(governor);
        _allow(address(tasks), tasks.openReview.selector, REVIEWER);
        _allow(address(ledger), ledger.fine.selector, FINER);
        vm.stopPrank();
        for (uint256 i = COMPUTE; i < COMPUTE + VERIFIERS; ++i) {
            uint32 account = operators[i].account;
            vm.prank(operators[i].cold);
            decoys.enlist(numericModel, account, keccak256(abi.encode(_secret(account))));
        }
    }

    function _allow(address target, bytes4 selector, uint64 role) private {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = selector;
        manager.setTargetFunctionRole(target, selectors, role);
        manager.grantRole(role, address(decoys), 0);
    }

    function _thrift() internal pure override returns (uint256) {
        return 2;
    }

    // ---- episodes ----

    /// @dev In cases alone a win is that its judges are paid and none of them is fined.
    function honestInCases(uint256 seed) external {
        _end(_case(seed, Move.Honest));
    }

    function acceptInCases(uint256 seed) external {
        _end(_case(seed, Move.Accept));
    }

    function greyInCases(uint256 seed) external {
        _end(_case(seed, Move.Grey));
    }

    /// @dev In a mixture of both a win is MLB.
    function honestInBoth(uint256 seed) external {
        _event(seed, Move.Honest, Move.Honest);
    }

    function acceptInBoth(uint256 seed) external {
        _event(seed, Move.Accept, Move.Accept);
    }

    function greyInBoth(uint256 seed) external {
        _event(seed, Move.Grey, Move.Grey);
    }

    /// @dev It sees who asked for the panel, and runs the model only where that is Decoys.
    function acceptInDisputes(uint256 seed) external {
        _event(seed, Move.Accept, Move.Honest);
    }

    // ---- what must hold ----

    /// @notice Whoever runs the model is paid in every case and never fined.
    function testHonestJudgesAreNeverFined() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], false, true);
            uint256 seated = Chance.ONE - Chance.exactly(VERIFIERS, _many(i), PANEL, 0);
            Row memory row = _sample("honest judges in decoy cases", shares[i], seated, this.honestInCases);
            _assertChance(row);
            assertTrue(row.worstMlb >= 0, "never fined");
            _sample("honest judges, 1 case in 4 events", shares[i], UNKNOWN, this.honestInBoth);
        }
    }

    /// @notice Judges that accept everything are fined unless there was no decoy, or four of five did so: they hold the
    /// verdict.
    function testAcceptingEverythingIsFined() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], false, true);
            uint256 holds = Chance.atLeast(VERIFIERS, _many(i), PANEL, HELD);
            uint256 spared = (Chance.atLeast(VERIFIERS, _many(i), PANEL, 1) - holds) / 8 + holds;
            Row memory row = _sample("judges accept everything in decoy cases", shares[i], spared, this.acceptInCases);
            _assertChance(row);
            if (shares[i] < SAFE_BELOW && row.runs >= MANY_RUNS) _assertMlbLost(row);
            _sample("judges accept everything, 1 case in 4 events", shares[i], UNKNOWN, this.acceptInBoth);
        }
    }

    /// @notice Judges that abstain are fined unless there was no decoy, however many they are.
    function testAbstainingIsFined() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], false, true);
            uint256 spared = Chance.atLeast(VERIFIERS, _many(i), PANEL, 1) / 8;
            Row memory row = _sample("judges abstain in decoy cases", shares[i], spared, this.greyInCases);
            _assertChance(row);
            if (row.runs >= MANY_RUNS) _assertMlbLost(row);
            _sample("judges abstain, 1 case in 4 events", shares[i], UNKNOWN, this.greyInBoth);
        }
    }

    /// @notice A judge sees who asked for its panel. One that runs the model for decoy cases only is never fined.
    function testLazinessInDisputesAloneIsNotFound() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], false, true);
            Row memory row =
                _sample("judges lazy in disputes, 1 case in 4 events", shares[i], UNKNOWN, this.acceptInDisputes);
            assertTrue(row.worstMlb >= 0, "never fined");
        }
    }

    // ---- internal ----

    function _many(uint256 i) private view returns (uint256) {
        return _members(VERIFIERS, shares[i]);
    }

    function _secret(uint32 account) private pure returns (bytes32) {
        return keccak256(abi.encode("secret", account));
    }

    function _event(uint256 seed, Move inDispute, Move inCase) private {
        int256 before = _holdings().mlb;
        if (uint256(keccak256(abi.encode("event", seed))) % 100 < RATE) {
            _case(seed, inCase);
        } else {
            Strategy memory strategy;
            (strategy.judge, strategy.planted) = (inDispute, 1);
            _play(_submit(requester, numericModel, SEATS, false, seed), strategy);
        }
        _end(_holdings().mlb > before);
    }

    /// @return spared whether its judges were paid and none was fined
    function _case(uint256 seed, Move move) private returns (bool spared) {
        vm.roll(vm.getBlockNumber() + seed % BLOCKS); // another block, another draw
        uint256 caseId = decoys.openCase(numericModel, INPUT);
        vm.roll(vm.getBlockNumber() + 3);
        decoys.drawAuthors(caseId);
        bytes32 reviewId = _panelOf(caseId);
        draw(reviewId);
        Seat[] memory seats = committee(reviewId);
        uint8 round = tasks.getTask(reviewId).round;
        uint256 before = _bondedIn(seats);
        Strategy memory strategy;
        strategy.judge = move;
        _play(reviewId, strategy);
        if (decoys.cases(caseId).phase == IDecoys.Phase.Opening) _settle(caseId, reviewId, round, seats);
        spared = _ownOf(seats, seats.length) != 0 && _bondedIn(seats) == before;
    }

    /// @dev Authors bring what they must, and the panel is called.
    function _panelOf(uint256 caseId) private returns (bytes32 reviewId) {
        IDecoys.Case memory found = decoys.cases(caseId);
        bytes[] memory results = new bytes[](found.authors.length);
        for (uint256 i; i < results.length; ++i) {
            uint32 author = found.authors[i];
            results[i] = inline_(DecoyMath.isDecoy(_secret(author), found.seed) ? WRONG : RIGHT);
            vm.prank(operatorOf(author));
            decoys.bring(caseId, i, results[i]);
        }
        vm.recordLogs();
        decoys.callPanel(caseId, INPUT, results);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] == IDecoys.PanelCalled.selector) reviewId = logs[i].topics[2];
        }
    }

    function _settle(uint256 caseId, bytes32 reviewId, uint8 round, Seat[] memory seats) private {
        IDecoys.Case memory found = decoys.cases(caseId);
        for (uint256 i; i < found.authors.length; ++i) {
            decoys.openSecret(caseId, i, _secret(found.authors[i]));
        }
        uint32[] memory accounts = new uint32[](seats.length);
        bytes32[] memory values = new bytes32[](seats.length);
        for (uint256 i; i < seats.length; ++i) {
            accounts[i] = seats[i].account;
            values[i] = bytes32(uint256(uint32(bytes4(said[reviewId][round][accounts[i]]))) | 1 << 32);
        }
        decoys.settle(caseId, accounts, values, (1 << seats.length) - 1);
    }

    function _bondedIn(Seat[] memory seats) private view returns (uint256 sum) {
        for (uint256 i; i < seats.length; ++i) {
            if (own[seats[i].account]) sum += bondedOf(seats[i].account);
        }
    }
}
