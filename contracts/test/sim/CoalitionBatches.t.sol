// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms, Evidence, TaskOrder} from "../../src/interfaces/ChannelTypes.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Chance} from "./Chance.sol";
import {LaneArena} from "./LaneArena.sol";

/// @title Coalitions whose coordinator posts wrong batches, or hides what is in them
/// @notice The coordinator has one channel of an honest requester with ten coins in it. Attesters that look would not sign,
/// so it needs three verifiers of its own; where it has fewer it cannot post. A win is money that was not earned.
contract CoalitionBatchesTest is LaneArena {
    /// @dev What is wrong with a batch.
    enum Lie {
        Forge, // a leaf for what is left of the deposit, that nobody signed
        Overcharge, // what is left of the deposit, on an order that was done
        Inflate, // an entry that gives the coordinator the whole pot
        Repeat // an order that was settled by itself
    }

    uint96 private constant VICTIM = 10 ether;
    uint16 private constant SHARE = 300;
    uint32 private constant LEAVES = 3;
    uint32 private constant HIDDEN_LEAVES = 6;
    uint32 private constant FEW_DEMANDS = 3;
    uint256 private constant ATTESTERS = 3;

    function setUp() public override {
        super.setUp();
        (coordinator, coordinatorKey) = (raider, raiderKey);
        terms = openChannel(client, SHARE, "victim", VICTIM);
        channel = channels.channelId(terms);
        advance();
        vm.prank(raider);
        settlement.depositBond{value: 1 ether}();
        vm.deal(_watcher(), 1 ether);
    }

    function _thrift() internal pure override returns (uint256) {
        return 4;
    }

    // ---- episodes ----

    function forge(uint256 seed) external {
        _lie(seed, Lie.Forge, false);
    }

    function forgeWatched(uint256 seed) external {
        _lie(seed, Lie.Forge, true);
    }

    function overcharge(uint256 seed) external {
        _lie(seed, Lie.Overcharge, false);
    }

    function overchargeWatched(uint256 seed) external {
        _lie(seed, Lie.Overcharge, true);
    }

    function inflate(uint256 seed) external {
        _lie(seed, Lie.Inflate, false);
    }

    function inflateWatched(uint256 seed) external {
        _lie(seed, Lie.Inflate, true);
    }

    function repeat(uint256 seed) external {
        _lie(seed, Lie.Repeat, false);
    }

    function repeatWatched(uint256 seed) external {
        _lie(seed, Lie.Repeat, true);
    }

    function hide(uint256 seed) external {
        _hide(seed, FEW_DEMANDS);
    }

    function hideFromAll(uint256 seed) external {
        _hide(seed, HIDDEN_LEAVES);
    }

    // ---- what must hold ----

    /// @notice Without anybody who looks, what is left of the channel is gone. That is what attesters and watchers are for.
    function testForgedLeavesNeedThatNobodyLooks() public {
        _unwatched("forge a leaf, nobody watches", this.forge);
        _watched("forge a leaf, one watcher", 0.1 ether, this.forgeWatched);
    }

    function testOverchargesNeedThatNobodyLooks() public {
        _unwatched("overcharge, nobody watches", this.overcharge);
        _watched("overcharge, one watcher", 0.1 ether, this.overchargeWatched);
    }

    /// @notice Even then it gets at what is in the batch alone.
    function testInflatedEntriesNeedThatNobodyLooks() public {
        _unwatched("inflate an entry, nobody watches", this.inflate);
        _watched("inflate an entry, one watcher", 1 ether, this.inflateWatched);
    }

    function testRepeatedOrdersNeedThatNobodyLooks() public {
        _unwatched("settle an order twice, nobody watches", this.repeat);
        _watched("settle an order twice, one watcher", 0.1 ether, this.repeatWatched);
    }

    /// @notice Who asks for half of the leaves finds the one that cannot be shown half of the time; who asks for all, always.
    function testHiddenDataIsFoundAsOftenAsItIsAskedFor() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 kept = Chance.ONE * (HIDDEN_LEAVES - FEW_DEMANDS) / HIDDEN_LEAVES;
            Row memory row = _sample("hide a forged leaf, half demanded", shares[i], _canPost() ? kept : 0, this.hide);
            _assertChance(row);
            row = _sample("hide a forged leaf, all demanded", shares[i], UNKNOWN, this.hideFromAll);
            _assertNeverWon(row);
            if (_canPost()) _assertCoinLost(row);
        }
    }

    // ---- internal: checks ----

    function _unwatched(string memory attack, function(uint256) external episode) private {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample(attack, shares[i], UNKNOWN, episode);
            if (_canPost()) assertEq(row.wins, row.runs, "nothing else stands in the way");
            else _assertNothing(row);
        }
    }

    /// @dev One honest party with the data guarantees that nothing is gained, and the coordinator pays.
    function _watched(string memory attack, int256 penalty, function(uint256) external episode) private {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            Row memory row = _sample(attack, shares[i], UNKNOWN, episode);
            if (!_canPost()) {
                _assertNothing(row);
                continue;
            }
            _assertNeverWon(row);
            assertTrue(row.bestCoin == -penalty && row.worstCoin == -penalty, _about(row, "another penalty"));
        }
    }

    function _assertNothing(Row memory row) private pure {
        _assertNeverWon(row);
        assertTrue(row.coin == 0 && row.mlb == 0, "it cannot post");
    }

    function _canPost() private view returns (bool) {
        return own[operators[COMPUTE + ATTESTERS - 1].account];
    }

    // ---- internal: wrong batches ----

    /// @dev Its own verifiers sign whatever it shows them.
    function _postOwn(Draft memory made) private returns (bytes32) {
        delete judges;
        for (uint256 i; i < ATTESTERS; ++i) {
            judges.push(operators[COMPUTE + i].account);
        }
        return post(made);
    }

    function _lie(uint256 seed, Lie lie, bool watched) private {
        if (!_canPost()) _end(false);
        _nextSeed(seed);
        Draft memory made = lie == Lie.Forge ? _forged(LEAVES) : draft(LEAVES);
        uint256 honest = _earned(made, lie == Lie.Forge ? LEAVES - 1 : LEAVES);
        if (lie == Lie.Overcharge) _charge(made);
        if (lie == Lie.Inflate) _grab(made);
        if (lie == Lie.Repeat) {
            channels.settle(made.evidence[1]);
            channels.collect(terms);
        }
        bytes32 batch = _postOwn(made);
        if (watched) _show(made, lie);
        _wait(made, batch, lie == Lie.Forge ? LEAVES - 1 : LEAVES);
        _endBeside(honest);
    }

    /// @dev Claims, or, if it came to nothing, what was done settles by itself.
    function _wait(Draft memory made, bytes32 batch, uint256 done) private {
        if (settlement.batches(batch).status == ISettlement.Status.Posted) {
            finish(batch);
            _claimOwn(made, batch);
            return;
        }
        settlement.restore(made.header, made.debits, 0);
        for (uint256 i; i < done; ++i) {
            channels.settleReopened(made.evidence[i], uint32(made.tasks.length));
        }
        channels.collect(terms);
    }

    /// @dev What it did honestly is not counted. A win is a wei more.
    function _endBeside(uint256 honest) private view {
        Outcome memory outcome = _gained();
        outcome.coin -= int256(honest);
        outcome.won = outcome.coin > 0;
        revert Ended(outcome);
    }

    /// @dev Leaves that were done, and at the end one for all that is left, of which no signature holds.
    function _forged(uint32 count) private view returns (Draft memory made) {
        made.evidence = new Evidence[](count);
        for (uint32 i; i + 1 < count; ++i) {
            made.evidence[i] = proven(orderOf(i, LANE_SEATS), 0);
        }
        TaskOrder memory order = orderOf(count - 1, LANE_SEATS);
        order.maxFee = VICTIM - (count - 1) * PRICE;
        made.evidence[count - 1] = provenOf(terms, clientKey, order, _boughtSeats(order), 0, LIE);
        assemble(made);
        Evidence memory last = made.evidence[count - 1];
        last.orderSignature = signBy(raiderKey, hashOf(order));
        for (uint256 i; i < last.seats.length; ++i) {
            last.seats[i].signature = last.orderSignature; // whoever signs can be shown to sit falsely
        }
        made.tasks[count - 1].evidence = keccak256(abi.encode(last));
    }

    /// @dev The last order costs all that is left, for the coordinator.
    function _charge(Draft memory made) private view {
        uint256 last = LEAVES - 1;
        uint88 more = uint88(VICTIM - LEAVES * PRICE);
        made.outcomes[last].coordinatorFee += more;
        made.outcomes[last].debit += more;
        made.tasks[last].outcome = keccak256(abi.encode(made.outcomes[last]));
        made.tasks[last].debit += more;
        made.tasks[last].total += more;
        made.debits[0].debit += more;
        fillEntries(made);
    }

    /// @dev The coordinator's last entry gives it the whole pot.
    function _grab(Draft memory made) private view {
        uint256 found = _lastOf(made, party(raider));
        made.entries[found].amount += uint96(made.debits[0].debit) - made.entries[found].total;
        sumUp(made);
    }

    function _lastOf(Draft memory made, uint256 who) private pure returns (uint256 i) {
        while (made.entries[i].party != who || !made.entries[i].last) {
            ++i;
        }
    }

    /// @dev One honest operator shows what is wrong.
    function _show(Draft memory made, Lie lie) private {
        uint256 last = LEAVES - 1;
        vm.startPrank(_watcher());
        if (lie == Lie.Repeat) {
            settlement.strikeDuplicate(made.header, task(made, 1), made.outcomes[1], made.debits);
        } else if (lie == Lie.Inflate) {
            uint256 found = _lastOf(made, party(raider));
            uint256 index = made.entries[found].task;
            settlement.challengeEntry(made.header, entry(made, found), task(made, index), made.outcomes[index]);
        } else {
            settlement.strikeEvidence(
                made.header, task(made, last), made.evidence[last], made.outcomes[last], made.debits
            );
        }
        vm.stopPrank();
        if (lie != Lie.Overcharge) return;
        channels.settleReopened(made.evidence[last], made.tasks[last].sequence + 1);
        channels.collect(terms);
    }

    /// @dev The data cannot be had; leaves that were done are shown on demand, the forged one is not.
    function _hide(uint256 seed, uint32 demands) private {
        if (!_canPost()) _end(false);
        _nextSeed(seed);
        Draft memory made = _forged(HIDDEN_LEAVES);
        uint256 honest = _earned(made, HIDDEN_LEAVES - 1);
        bytes32 batch = _postOwn(made);
        uint32 first = uint32(seed % HIDDEN_LEAVES);
        bool asked;
        for (uint32 i; i < demands; ++i) {
            uint32 index = (first + i) % HIDDEN_LEAVES;
            _demand(_watcher(), made, false, index);
            if (index == HIDDEN_LEAVES - 1) asked = true;
            else settlement.answerTask(made.header, task(made, index), made.evidence[index], made.outcomes[index]);
        }
        if (asked) {
            skip(HOUR + 1);
            vm.prank(_watcher());
            settlement.voidUnanswered(made.header, false, HIDDEN_LEAVES - 1);
        }
        _wait(made, batch, HIDDEN_LEAVES - 1);
        _endBeside(honest);
    }

    function _demand(address who, Draft memory made, bool ofLedger, uint32 index) private {
        vm.prank(who);
        settlement.demand{value: 0.01 ether}(made.header, ofLedger, index);
    }

    // ---- internal: what is earned ----

    function _isOwn(uint256 who) private view returns (bool) {
        return who == party(raider) || (who <= type(uint32).max && own[uint32(who)]);
    }

    /// @dev What the leaves below `count` give the coalition.
    function _earned(Draft memory made, uint256 count) private view returns (uint256 sum) {
        for (uint256 i; i < made.entries.length; ++i) {
            if (made.entries[i].task < count && _isOwn(made.entries[i].party)) sum += made.entries[i].amount;
        }
    }

    /// @dev The coordinator first: where its entry takes the whole pot, nothing is left for the others.
    function _claimOwn(Draft memory made, bytes32 batch) private {
        for (uint256 i = made.entries.length; i != 0 && settlement.batches(batch).pot != 0; --i) {
            if (!made.entries[i - 1].last || !_isOwn(made.entries[i - 1].party)) continue;
            settlement.claim(made.header, entry(made, i - 1));
        }
    }
}
