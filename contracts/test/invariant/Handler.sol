// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Role, RoundKind, Seat, TaskStatus} from "../../src/interfaces/Types.sol";
import {Crowd} from "./Crowd.sol";

/// @title Requesters, honest and dishonest operators, keepers and governance, by chance
/// @dev One entry: a number chooses who does what. Tasks differ in temper, so that some end at once, some before the
/// first judges and some before the last.
contract Handler is Crowd {
    uint256 private constant MOST_LIVE = 4;

    mapping(bytes32 taskId => mapping(uint256 round => mapping(uint32 account => bytes))) private payloads;
    mapping(bytes32 taskId => mapping(uint256 round => mapping(uint32 account => bool))) private fumbled;
    uint256 private clock;
    uint256 private height;

    function setUp() public override {
        super.setUp();
        addPool(COMPUTE, VERIFIERS);
        for (uint256 i; i < operators.length; ++i) {
            Operator memory operator = operators[i];
            claimants.push(operator.cold);
            Role role = i < COMPUTE ? Role.Compute : Role.Verifier;
            uint256 more = _wanted(i) - bondedOf(operator.account);
            if (more != 0) stakeAs(operator.cold, role, more);
            stakeAtRisk[operator.account] = _wanted(i);
            tasks.refreshWeight(exactModel, operator.account);
            tasks.refreshWeight(numericModel, operator.account);
        }
        nextEpoch();
        address[6] memory others = [requester, keeper, provider, governor, treasury, stranger];
        for (uint256 i; i < 6; ++i) {
            claimants.push(others[i]);
        }
        kitty = _reserves();
        (clock, height) = (vm.getBlockTimestamp(), vm.getBlockNumber());
    }

    function parameters() internal view override returns (ITaskManager.Parameters memory p) {
        p = super.parameters();
        // Smaller benches than the default, so that both can be drawn again and again; not smaller, because with fewer than six
        // seats whoever has the heads has the weight too.
        (p.firstJudgeSeats, p.lastJudgeSeats, p.maxRedraws) = (6, 7, 2);
    }

    function jailSeconds() internal pure override returns (uint256) {
        return 5 minutes;
    }

    // ---- the one entry ----

    function act(uint256 number) public {
        // forge may forget the time between calls.
        vm.warp(clock);
        vm.roll(height);
        seed = number;
        rolls = 0;
        uint256 choice = _roll(100);
        if (choice < 18) _submit();
        else if (choice < 60) _step();
        else if (choice < 76) _heal();
        else if (choice < 80) _unbond();
        else if (choice < 82) _withdraw();
        else if (choice < 87) _claim();
        else if (choice < 89) _contradict();
        else if (choice < 92) _refresh();
        else if (choice < 95) _cancel();
        else if (choice < 97) _govern();
        else if (choice < 98) _endCase();
        else if (choice < 99) nextEpoch();
        else skip(_roll(2) == 0 ? _roll(1 days) : 14 days + _roll(1 days));
        (clock, height) = (vm.getBlockTimestamp(), vm.getBlockNumber());
    }

    /// @notice Whatever state a task is in, waiting and poking ends it, and then everybody can be paid.
    function drain() external {
        vm.warp(clock);
        vm.roll(height);
        for (uint256 i; live.length != 0; ++i) {
            assertLt(i, 400, "a task that does not end");
            bytes32 taskId = live[0];
            // A pool full of operators that left or sit in jail can make judges' draws fail again and again. Anybody may
            // bring their weights up to date, and then the draw ends.
            if (i % 50 == 49) _refreshAll();
            _expireOrPass(taskId, true);
            assertTrue(tasks.pokeable(taskId), "nothing to poke");
            _expectAbsences(taskId);
            perform(keeper, address(tasks), abi.encodeCall(tasks.poke, (taskId)));
        }
        while (waiting.length != 0) {
            _endCase();
        }
        (clock, height) = (vm.getBlockTimestamp(), vm.getBlockNumber());
        assertEq(ledger.heldSlashes(), 0, "slashes left over");
        if (ledger.protocolFees() != 0) {
            perform(governor, address(ledger), abi.encodeCall(ledger.assignProtocolFees, (treasury)));
        }
        for (uint256 i; i < claimants.length; ++i) {
            if (ledger.claimable(claimants[i]) != 0) ledger.claim(claimants[i]);
            if (ledger.claimableTokens(claimants[i]) != 0) ledger.claimTokens(claimants[i]);
        }
        assertEq(address(bridge).balance, 0, "wei left over");
        checkMlb();
        checkEnded();
    }

    /// @notice A seat has a value exactly from its commitment on, and the count of openings is that of who opened.
    function checkSeats() external view {
        for (uint256 i; i < live.length; ++i) {
            TaskStatus now_ = status(live[i]);
            if (now_ != TaskStatus.Committing && now_ != TaskStatus.Revealing) continue;
            ITaskManager.TaskView memory task = tasks.getTask(live[i]);
            Seat[] memory seats = tasks.getSeats(live[i], task.round);
            uint256 opened;
            for (uint256 k; k < seats.length; ++k) {
                Play storage play = plays[live[i]][task.round][seats[k].account];
                assertEq(seats[k].committed, play.committed);
                assertEq(seats[k].revealed, play.opened);
                if (!play.committed) assertEq(seats[k].value, bytes32(0), "a value before its commitment");
                else if (!play.opened) assertTrue(seats[k].value != 0, "a commitment has a value");
                if (play.opened) ++opened;
            }
            assertEq(task.revealed, opened, "a reveal counts, and nothing else");
        }
    }

    // ---- tasks ----

    function _submit() private {
        if (live.length == MOST_LIVE) return _step();
        bytes32 model = _roll(2) == 0 ? exactModel : numericModel;
        uint8 seats = uint8(3 + _roll(4));
        if (tasks.poolSize(model, false) < seats) return nextEpoch();
        uint256 payment = tasks.quote(model, seats) + _roll(1 ether);
        bytes32 salt = keccak256(abi.encode(seed, live.length, ended.length));
        uint256 deadline = vm.getBlockTimestamp() + 150 + _roll(600);
        bytes memory data = abi.encodeCall(bridge.submitTaskWith, (model, INPUT, deadline, seats, salt));
        bytes32 taskId = _taskIdOf(model, deadline, payment, seats, salt);
        // Under watch only once it exists.
        perform(requester, address(bridge), data, payment);
        assertStatus(taskId, TaskStatus.Submitted);
        live.push(taskId);
        locked[taskId] = payment;
        ++seen["submitted"];
    }

    function _taskIdOf(bytes32 model, uint256 deadline, uint256 payment, uint8 seats, bytes32 salt)
        private
        view
        returns (bytes32)
    {
        bytes32 typeHash = keccak256(
            "MLBridgeTask(uint256 chainId,address taskManager,address requester,bytes32 modelId,bytes32 inputHash,uint256 deadline,uint256 payment,uint8 seats,bytes32 salt)"
        );
        return keccak256(
            abi.encode(
                typeHash, block.chainid, tasks, requester, model, keccak256(INPUT), deadline, payment, seats, salt
            )
        );
    }

    function _step() private {
        if (live.length == 0) return _submit();
        bytes32 taskId = live[_roll(live.length)];
        if (_roll(5) == 0) _trespass(taskId);
        TaskStatus now_ = status(taskId);
        if (now_ == TaskStatus.Committing) _commitPhase(taskId);
        else if (now_ == TaskStatus.Revealing) _revealPhase(taskId);
        else _drawPhase(taskId);
    }

    /// @dev What nobody may do, whenever it is tried.
    function _trespass(bytes32 taskId) private {
        TaskStatus now_ = status(taskId);
        ITaskManager.TaskView memory task = tasks.getTask(taskId);
        bool due = task.phaseDeadline != 0
            ? vm.getBlockTimestamp() > task.phaseDeadline
            : vm.getBlockNumber() > task.randomnessBlock;
        bool dead = vm.getBlockTimestamp() + parameters().commitWindow > task.deadline;
        if (!due && !dead) {
            // Nobody closes a phase early. A verdict in sight does not shorten the time to open.
            _refused(keeper, address(tasks), abi.encodeCall(tasks.poke, (taskId)));
            _refused(keeper, address(verifier), abi.encodeCall(verifier.processVerificationRound, (taskId)));
        }
        if (now_ != TaskStatus.Submitted || rearmed[taskId]) {
            _refused(requester, address(bridge), abi.encodeCall(bridge.cancelTask, (taskId)));
        }
        _refused(stranger, address(bridge), abi.encodeCall(bridge.cancelTask, (taskId)));
        _refused(stranger, address(bridge), abi.encodeCall(bridge.commitResult, (taskId, keccak256("nothing"))));
        bytes memory open = abi.encodeCall(bridge.submitResult, (taskId, inline_(RIGHT), abi.encode(bytes32(0))));
        _refused(stranger, address(bridge), open);
        uint256 round = rounds[taskId];
        uint32[] storage accounts = drawn[taskId][round].accounts;
        if (accounts.length == 0) return;
        uint32 account = accounts[_roll(accounts.length)];
        Play storage play = plays[taskId][round][account];
        bytes memory commitment = abi.encodeCall(bridge.commitResult, (taskId, keccak256("nothing")));
        if (play.committed || now_ != TaskStatus.Committing) _refused(nodeOf[account], address(bridge), commitment);
        bool mayOpen = play.committed && !play.opened && !fumbled[taskId][round][account];
        if (!mayOpen || now_ != TaskStatus.Revealing) _refused(nodeOf[account], address(bridge), open);
        ++seen["refused"];
    }

    function _refused(address caller, address target, bytes memory data) private {
        vm.prank(caller);
        (bool ok,) = target.call(data);
        assertFalse(ok, "should have been refused");
    }

    function _drawPhase(bytes32 taskId) private {
        _expireOrPass(taskId, _roll(15) != 0);
        bytes memory data =
            _roll(2) == 0 ? abi.encodeCall(tasks.assign, (taskId)) : abi.encodeCall(tasks.poke, (taskId));
        perform(keeper, address(tasks), data);
    }

    function _commitPhase(bytes32 taskId) private {
        uint256 round = rounds[taskId];
        if (_open(taskId)) {
            uint32[] memory accounts = drawn[taskId][round].accounts;
            for (uint256 i; i < accounts.length; ++i) {
                if (plays[taskId][round][accounts[i]].committed || _roll(100) < 8) continue;
                _commit(taskId, round, accounts[i]);
            }
        }
        // Sometimes others act before the window closes.
        if (_roll(4) == 0 || status(taskId) != TaskStatus.Committing || rounds[taskId] != round) return;
        passPhase(taskId);
        _expectAbsences(taskId);
        perform(keeper, address(tasks), abi.encodeCall(tasks.poke, (taskId)));
    }

    function _revealPhase(bytes32 taskId) private {
        uint256 round = rounds[taskId];
        if (_open(taskId)) {
            uint32[] memory accounts = drawn[taskId][round].accounts;
            for (uint256 i; i < accounts.length; ++i) {
                Play storage play = plays[taskId][round][accounts[i]];
                // A wrong opening cannot be mended.
                if (!play.committed || play.opened || fumbled[taskId][round][accounts[i]]) continue;
                uint256 luck = _roll(100);
                if (luck >= 6) _reveal(taskId, round, accounts[i], luck < 11);
                if (status(taskId) != TaskStatus.Revealing || rounds[taskId] != round) return;
            }
        }
        if (_roll(4) == 0) return;
        passPhase(taskId);
        if (_roll(2) == 0) perform(keeper, address(tasks), abi.encodeCall(tasks.poke, (taskId)));
        else perform(keeper, address(verifier), abi.encodeCall(verifier.processVerificationRound, (taskId)));
    }

    function _commit(bytes32 taskId, uint256 round, uint32 account) private {
        bytes memory payload = _say(taskId, round);
        payloads[taskId][round][account] = payload;
        Play storage play = plays[taskId][round][account];
        play.committed = true;
        bytes32 commitment = commitmentOf(taskId, uint8(round), account, payload, saltOf(account));
        perform(nodeOf[account], address(bridge), abi.encodeCall(bridge.commitResult, (taskId, commitment)));
    }

    function _reveal(bytes32 taskId, uint256 round, uint32 account, bool wrongly) private {
        bytes memory payload = payloads[taskId][round][account];
        bytes32 salt = wrongly ? bytes32(0) : saltOf(account);
        Play storage play = plays[taskId][round][account];
        if (wrongly) {
            fumbled[taskId][round][account] = true;
            ++seen["wrong opening"];
        } else {
            play.opened = true;
            if (drawn[taskId][round].kind == RoundKind.Vote) play.votes = uint32(bytes4(payload));
            else play.digest = digestOf(taskId, payload);
        }
        bytes memory data = abi.encodeCall(bridge.submitResult, (taskId, inline_(payload), abi.encode(salt)));
        perform(nodeOf[account], address(bridge), data);
    }

    /// @dev A result, or votes on the first results. A task's temper: all agree, some err, nobody agrees, or most of the
    /// first committee lies.
    function _say(bytes32 taskId, uint256 round) private returns (bytes memory) {
        uint256 temper = uint256(taskId) % 12;
        uint256 errs = temper < 6 ? 2 : temper < 9 ? 25 : temper == 9 ? 50 : round == 0 ? 75 : 15;
        if (temper == 11) errs = round == 0 ? 98 : 4;
        if (drawn[taskId][round].kind == RoundKind.Result) {
            if (_roll(100) >= errs) return RIGHT;
            return _roll(2) == 0 ? WRONG : bytes("44");
        }
        uint32[] storage candidates = drawn[taskId][0].accounts;
        uint8[] memory votes = new uint8[](candidates.length);
        bytes32 right = digestOf(taskId, RIGHT);
        // Some judges accept what is right and reject nothing.
        uint8 doubt = temper > 6 && temper < 9 && drawn[taskId][round].judges ? GREY : REJECT;
        if (doubt == GREY) errs = 4;
        for (uint256 i; i < votes.length; ++i) {
            votes[i] = plays[taskId][0][candidates[i]].digest == right ? ACCEPT : doubt;
            if (_roll(100) < errs) votes[i] = uint8(_roll(4));
        }
        return packVotes(votes);
    }

    function _open(bytes32 taskId) private view returns (bool) {
        return vm.getBlockTimestamp() <= tasks.getTask(taskId).phaseDeadline;
    }

    /// @dev To where a poke does something: past the randomness, or so far that it is lost; or past the window.
    function _expireOrPass(bytes32 taskId, bool pass) private {
        TaskStatus now_ = status(taskId);
        if (now_ == TaskStatus.Committing || now_ == TaskStatus.Revealing) passPhase(taskId);
        else if (pass) passRandomness(taskId);
        else vm.roll(tasks.getTask(taskId).randomnessBlock + 300);
    }

    /// @dev About to close a commit phase: everybody silent so far is absent.
    function _expectAbsences(bytes32 taskId) private {
        if (status(taskId) != TaskStatus.Committing) return;
        uint256 round = rounds[taskId];
        uint32[] storage accounts = drawn[taskId][round].accounts;
        for (uint256 i; i < accounts.length; ++i) {
            if (plays[taskId][round][accounts[i]].committed) continue;
            // In jail it costs nothing, nor soon after the last absence.
            if (ledger.accounts(accounts[i]).jailedUntil != 0) continue;
            if (vm.getBlockTimestamp() < absentAt[accounts[i]] + jailSeconds() / 24) continue;
            absentAt[accounts[i]] = vm.getBlockTimestamp();
            ++absent[taskId][accounts[i]];
        }
    }

    function _cancel() private {
        for (uint256 i; i < live.length; ++i) {
            if (status(live[i]) != TaskStatus.Submitted) continue;
            if (vm.getBlockNumber() > tasks.getTask(live[i]).randomnessBlock || rearmed[live[i]]) {
                _refused(requester, address(bridge), abi.encodeCall(bridge.cancelTask, (live[i])));
                ++seen["too late to cancel"];
                continue;
            }
            return perform(requester, address(bridge), abi.encodeCall(bridge.cancelTask, (live[i])));
        }
    }
}
