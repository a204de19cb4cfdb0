// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms, Evidence, TaskOrder} from "../../src/interfaces/ChannelTypes.sol";
import {Policy, Role} from "../../src/interfaces/Types.sol";
import {Chance} from "./Chance.sol";
import {LaneArena} from "./LaneArena.sol";

/// @title Coalitions that are requester, coordinator and committee of orders of their own in the channel lane
/// @notice They look for committees that were drawn, or do without a draw, or do it on a model of their own. What comes
/// of it must be worth less than what it costs, with MLB counted at the price that governance set for rewards.
contract CoalitionChannelsTest is LaneArena {
    uint256 private constant CHANNELS = 4;
    uint256 private constant SELF_ORDERS = 8;
    uint256 private constant MOST_ORDERS = 1_000;
    /// @dev What the public model and the protocol take at the least, and something for dust.
    uint96 private constant LEAST_PRICE = 0.0106 ether;

    function setUp() public override {
        super.setUp();
        stakeAs(raider, Role.ModelProvider, ledger.minimumStake(Role.ModelProvider));
        bytes memory metadata = abi.encode(uint8(Policy.Exact), CLASS, "own");
        vm.prank(raider);
        ownModel = registry.registerModel("own", 0, metadata);
        snapshots.recordModel(ownModel);
    }

    // ---- episodes ----

    /// @dev Four channels, each with 64 sequences in three epochs. A win is a wrong result that is settled and that nobody
    /// can touch: its committee was drawn, and nobody else sat in it.
    function grind(uint256 seed) external {
        ChannelTerms[] memory opened = new ChannelTerms[](CHANNELS);
        for (uint256 i; i < CHANNELS; ++i) {
            opened[i] = _openOwn(raider, 0, seed ^ i, LEAST_PRICE);
        }
        for (uint256 i; i < ORDER_EPOCHS; ++i) {
            _nextSeed(seed);
        }
        bool found;
        for (uint256 i; i < CHANNELS && !found; ++i) {
            TaskOrder memory order;
            (found, order) = _search(opened[i]);
            if (!found) continue;
            order.maxFee = LEAST_PRICE;
            Evidence memory proof = provenOf(opened[i], raiderKey, order, drawn(order), 0, LIE);
            channels.settle(proof);
            channels.collect(opened[i]);
            assertEq(_watchSeats(proof), 0, "no seat is false");
        }
        _fetchRebates();
        _end(found);
    }

    /// @dev An order of its own, settled by three of its own, drawn or not. A win is one that a watcher cannot touch.
    function buy(uint256 seed) external {
        ChannelTerms memory opened = _openOwn(raider, 0, seed, PRICE);
        _nextSeed(seed);
        TaskOrder memory order = orderFor(channels.channelId(opened), 0, LANE_SEATS);
        uint32[] memory seated = _boughtSeats(order);
        bool won;
        if (seated.length != 0) {
            Evidence memory proof = provenOf(opened, raiderKey, order, seated, 0, LIE);
            channels.settle(proof);
            channels.collect(opened);
            won = _watchSeats(proof) == 0;
        }
        _fetchRebates();
        _end(won);
    }

    /// @dev Orders on its own model, whose whole pool it is. A win is rewards that are worth more than they cost.
    function farm(uint256 seed) external {
        if (_poolMembers() >= LANE_SEATS) {
            ChannelTerms memory opened = _openOwn(raider, 0, seed, SELF_ORDERS * PRICE);
            _nextSeed(seed);
            for (uint32 i; i < SELF_ORDERS; ++i) {
                channels.settle(_athome(opened, i, PRICE));
            }
            channels.collect(opened);
            _fetchRebates();
        }
        Outcome memory gained = _gained();
        _end(_worth(gained.mlb, gained.coin) > 0);
    }

    // ---- what must hold ----

    /// @notice A channel has 64 sequences and three epochs, so four of them buy 768 looks for their deposits, which come
    /// back. What is found concerns nobody else: a draw follows from the channel, so it is no committee of another's
    /// order. It takes nobody's stake, and pays the model and the protocol for each success.
    function testGrindingOverChannelsFindsWhatChanceGives() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 all = Chance.exactly(COMPUTE, _members(COMPUTE, shares[i]), LANE_SEATS, LANE_SEATS);
            uint256 looks = CHANNELS * LANE_WINDOW * ORDER_EPOCHS;
            Row memory row = _sample("grind over 4 channels", shares[i], Chance.once(all, looks), this.grind);
            _assertChance(row);
            _assertBought(row);
            assertTrue(row.others == 0, "nobody else's stake");
        }
    }

    /// @notice Seats that were not drawn lose a tenth of their stake each to one watcher, for a record of three successes.
    function testBoughtCommitteesLoseStake() public {
        for (uint256 i; i < shares.length; ++i) {
            _muster(shares[i], true, true);
            uint256 many = _members(COMPUTE, shares[i]);
            uint256 all = Chance.exactly(COMPUTE, many, LANE_SEATS, LANE_SEATS);
            Row memory row = _sample("committee that was not drawn", shares[i], all, this.buy);
            _assertChance(row);
            if (many < LANE_SEATS) assertTrue(row.mlb == 0, "it has no committee");
            else _assertMlbLost(row);
            assertTrue(row.others >= 0, "nobody else's stake");
        }
    }

    /// @notice Fees paid to oneself come back less the protocol's share, and the rebate is worth half of that at most.
    function testSelfQuorumsCostMoreThanTheirRewards() public {
        for (uint256 i; i < shares.length; ++i) {
            _settleAtHome(shares[i]);
            Row memory row = _sample("self-quorum in a channel", shares[i], UNKNOWN, this.farm);
            _assertNeverWon(row);
            if (_members(COMPUTE, shares[i]) >= LANE_SEATS) {
                int256 shareTaken = int256(row.runs * SELF_ORDERS * PRICE * PROTOCOL_SHARE / 10_000);
                assertTrue(-row.coin == shareTaken, "the protocol's share is all that is gone");
                assertTrue(2 * _worth(row.mlb, row.coin) <= -shareTaken, "half of it for good");
            }
            assertTrue(row.others == 0 && row.reserve == 0, "nobody else's MLB");
        }
    }

    /// @notice A record made on one's own model counts everywhere, as in the direct lane. Here the price may be nothing,
    /// so it costs the gas of its settlements alone; it gives at most four times a newcomer's weight.
    function testRecordsMadeInChannelsAreBounded() public {
        _settleAtHome(40);
        uint256 members = _members(COMPUTE, 40);
        uint256 before = _meanReputation(members);
        ChannelTerms memory opened = _openOwn(raider, 0, 0, 1);
        _nextSeed(0);
        uint32 count;
        while (_meanReputation(members) < 2 * before) {
            channels.settle(_athome(opened, count, 0));
            assertLt(++count, MOST_ORDERS, "a record can be made");
        }
        assertLe(_meanReputation(members), 10_000);
        assertTrue(_gained().coin == 0, "an order of no price costs nothing");
        string memory line = string.concat('{"record":"weight doubled in channels","members":', vm.toString(members));
        _report(string.concat(line, ',"tasks":', vm.toString(uint256(count)), ',"coin":"0"}'));
    }

    // ---- internal ----

    /// @dev The coalition of this share serves its model and stands in its records. Larger ones hold the smaller.
    function _settleAtHome(uint256 share) private {
        _muster(share, true, true);
        for (uint256 i; i < _members(COMPUTE, share); ++i) {
            if (tasks.isServing(ownModel, operators[i].account)) continue;
            serve(operators[i], ownModel);
            snapshots.recordWeight(ownModel, operators[i].account);
        }
        advance();
        _mark();
    }

    /// @dev An order on its own model, done by those of its members who were drawn.
    function _athome(ChannelTerms memory opened, uint32 sequence, uint96 price) private view returns (Evidence memory) {
        TaskOrder memory order = orderFor(channels.channelId(opened), sequence, LANE_SEATS);
        (order.modelId, order.maxFee) = (ownModel, price);
        return provenOf(opened, raiderKey, order, _boughtSeats(order), 0, LIE);
    }

    function _meanReputation(uint256 members) private view returns (uint256 mean) {
        for (uint256 i; i < members; ++i) {
            mean += ledger.accounts(operators[i].account).reputation;
        }
        mean /= members;
    }

    /// @dev What came of all runs is worth less than they cost, unless nothing was found at all.
    function _assertBought(Row memory row) private view {
        if (row.wins == 0) assertTrue(row.mlb == 0 && row.coin == 0, "nothing was tried");
        else assertTrue(_worth(row.mlb, row.coin) < 0, _about(row, "gained"));
    }
}
