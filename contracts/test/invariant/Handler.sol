// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IConsensusVerifier} from "../../src/interfaces/IConsensusVerifier.sol";
import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Policy, Role, RoundKind, TaskStatus} from "../../src/interfaces/Types.sol";
import {Oracle} from "./Oracle.sol";

/// @title Requesters, honest and dishonest operators, keepers and governance, by chance
/// @dev One entry: a number chooses who does what. Tasks differ in temper, so that some end at once, some before the
/// first judges and some before the last.
contract Handler is Oracle {
    uint256 private constant MOST_LIVE = 4;
    uint256 private constant COMPUTE = 14;
    uint256 private constant VERIFIERS = 10;
    uint256 private constant MOST_CONTRADICTIONS = 3;

    mapping(bytes32 taskId => mapping(uint256 round => mapping(uint32 account => bytes))) private payloads;
    mapping(bytes32 taskId => mapping(uint256 round => mapping(uint32 account => bool))) private fumbled;
    uint256 private seed;
    uint256 private rolls;
    uint256 private contradictions;
    uint256 private clock;
    uint256 private height;

    function setUp() public override {
        super.setUp();
        addPool(COMPUTE, VERIFIERS);
        for (uint256 i; i < operators.length; ++i) {
            claimants.push(operators[i].cold);
            stakeAtRisk[operators[i].account] = bondedOf(operators[i].account);
        }
        address[6] memory others = [requester, keeper, provider, governor, treasury, stranger];
        for (uint256 i; i < 6; ++i) {
            claimants.push(others[i]);
        }
        (clock, height) = (vm.getBlockTimestamp(), vm.getBlockNumber());
    }

    function parameters() internal view override returns (ITaskManager.Parameters memory p) {
        p = super.parameters();
        // Smaller benches than the default, so that both benches of judges can be drawn again and again.
        (p.firstJudgeSeats, p.lastJudgeSeats, p.maxRedraws) = (4, 5, 2);
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
        if (choice < 22) _submit();
        else if (choice < 68) _step();
        else if (choice < 76) _heal();
        else if (choice < 80) _unbond();
        else if (choice < 82) _withdraw();
        else if (choice < 87) _claim();
        else if (choice < 89) _contradict();
        else if (choice < 92) _refresh();
        else if (choice < 95) _cancel();
        else if (choice < 97) _govern();
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
            if (i % 50 == 49) _refreshAll();
            _expireOrPass(taskId, true);
            assertTrue(tasks.pokeable(taskId), "nothing to poke");
            _expectAbsences(taskId);
            perform(keeper, address(tasks), abi.encodeCall(tasks.poke, (taskId)));
        }
        (clock, height) = (vm.getBlockTimestamp(), vm.getBlockNumber());
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

    // ---- tasks ----

    function _submit() private {
        if (live.length == MOST_LIVE) return _step();
        bytes32 model = _roll(2) == 0 ? exactModel : numericModel;
        uint8 seats = uint8(3 + _roll(3));
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
        escrow[taskId] = payment;
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
        TaskStatus now_ = status(taskId);
        if (now_ == TaskStatus.Committing) _commitPhase(taskId);
        else if (now_ == TaskStatus.Revealing) _revealPhase(taskId);
        else _drawPhase(taskId);
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

    /// @dev A result, or votes on the first results. A task's temper: all agree, some err, nobody agrees, or the
    /// first committee colludes.
    function _say(bytes32 taskId, uint256 round) private returns (bytes memory) {
        uint256 temper = uint256(taskId) % 5;
        uint256 errs = temper < 2 ? 2 : temper == 2 ? 25 : temper == 3 ? 55 : round == 0 ? 75 : 10;
        if (drawn[taskId][round].kind == RoundKind.Result) {
            if (_roll(100) >= errs) return RIGHT;
            return _roll(2) == 0 ? WRONG : bytes("44");
        }
        uint32[] storage candidates = drawn[taskId][0].accounts;
        uint8[] memory votes = new uint8[](candidates.length);
        bytes32 right = digestOf(taskId, RIGHT);
        for (uint256 i; i < votes.length; ++i) {
            votes[i] = plays[taskId][0][candidates[i]].digest == right ? ACCEPT : REJECT;
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
            if (!plays[taskId][round][accounts[i]].committed) ++absent[taskId][accounts[i]];
        }
    }

    function _cancel() private {
        for (uint256 i; i < live.length; ++i) {
            if (status(live[i]) != TaskStatus.Submitted) continue;
            if (vm.getBlockNumber() > tasks.getTask(live[i]).randomnessBlock) continue;
            return perform(requester, address(bridge), abi.encodeCall(bridge.cancelTask, (live[i])));
        }
    }

    // ---- operators ----

    /// @dev An operator that was punished pays up and comes back.
    function _heal() private {
        uint256 start = _roll(operators.length);
        for (uint256 i; i < operators.length; ++i) {
            Operator memory operator = operators[(start + i) % operators.length];
            IRewardDistributor.Account memory held = ledger.accounts(operator.account);
            if (held.reputation == 0) continue; // expelled
            Role role = operator.account & 1 == 1 ? Role.Verifier : Role.Compute;
            uint256 wanted = 2 * ledger.minimumStake(role);
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

    function _unbond() private {
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

    function _withdraw() private {
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

    function _claim() private {
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
    function _contradict() private {
        if (contradictions == MOST_CONTRADICTIONS) return _step();
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
        bytes memory data = abi.encodeCall(verifier.reportContradiction, (a, _sign(key, a), b, _sign(key, b)));
        perform(stranger, address(verifier), data);
        ++contradictions;
        ++seen["contradiction"];
    }

    function _sign(uint256 key, IConsensusVerifier.Attestation memory attestation) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, verifier.attestationHash(attestation));
        return abi.encodePacked(r, s, v);
    }

    function _refresh() private {
        Operator memory operator = operators[_roll(operators.length)];
        bytes32 model = _roll(2) == 0 ? exactModel : numericModel;
        tasks.refreshWeight(model, operator.account);
        if (_roll(2) == 0) nextEpoch();
    }

    function _refreshAll() private {
        for (uint256 i; i < operators.length; ++i) {
            tasks.refreshWeight(exactModel, operators[i].account);
            tasks.refreshWeight(numericModel, operators[i].account);
        }
        nextEpoch();
        ++seen["stuck until refreshed"];
    }

    // ---- governance ----

    function _govern() private {
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
            fundReserve(1 + _roll(1_000e18));
        }
    }

    function _roll(uint256 size) private returns (uint256) {
        return uint256(keccak256(abi.encode(seed, rolls++))) % size;
    }
}
