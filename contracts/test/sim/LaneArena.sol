// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, ChannelTerms, Evidence, TaskOrder} from "../../src/interfaces/ChannelTypes.sol";
import {IRewardPool} from "../../src/interfaces/IRewardPool.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Race} from "../../src/libraries/Race.sol";
import {BaseTest} from "../utils/BaseTest.sol";
import {BatchTest} from "../utils/BatchTest.sol";
import {Arena} from "./Arena.sol";

/// @title The arena with the channel lane and its batches
/// @notice Times and bonds are those of a public chain. What the coalition has in channels, bonds and rewards counts as
/// its own. Gas is not counted, which favours it: an opening costs about 95,000, a settlement 140,000.
abstract contract LaneArena is Arena, BatchTest {
    uint8 internal constant LANE_SEATS = 3;
    /// @dev Sequences from a channel's floor on that may be settled.
    uint256 internal constant LANE_WINDOW = 64;
    uint256 internal constant HOUR = 1 hours;
    bytes32 internal constant LIE = keccak256("wrong result");

    uint256 internal raiderKey;
    /// @dev Channels whose deposits are the coalition's.
    bytes32[] internal ownChannels;

    function setUp() public virtual override(Arena, BatchTest) {
        super.setUp();
        (, raiderKey) = makeAddrAndKey("raider");
        for (uint256 i; i < COMPUTE; ++i) {
            rewardPool.collectRebate(operators[i].cold);
        }
    }

    function _thrift() internal pure virtual override returns (uint256) {
        return 2;
    }

    // ---- the lane of a public chain ----

    function parameters() internal view override(Arena, BaseTest) returns (ITaskManager.Parameters memory) {
        return Arena.parameters();
    }

    function channelTimes() internal view virtual override returns (uint256 closing, uint256 settling) {
        return (2 days, HOUR);
    }

    function batchLimits() internal pure virtual override returns (ISettlement.Limits memory) {
        return ISettlement.Limits({
            challengeWindow: 1 days,
            answerWindow: uint40(HOUR),
            bond: 1 ether,
            minSigners: 3,
            leafPenalty: 0.1 ether,
            demandBond: 0.01 ether,
            minWeight: 1
        });
    }

    /// @dev The arena's own operators, who weigh the same.
    function addChannelPool(uint256) internal virtual override {
        for (uint256 i; i < COMPUTE; ++i) {
            pool.push(operators[i].account);
            snapshots.recordWeight(exactModel, operators[i].account);
        }
        snapshots.recordModel(exactModel);
    }

    /// @dev The last three verifiers, who are never the coalition's.
    function addAttesters() internal virtual override {
        for (uint256 i = COMPUTE + VERIFIERS - 3; i < COMPUTE + VERIFIERS; ++i) {
            judges.push(operators[i].account);
        }
    }

    // ---- epochs and channels ----

    /// @dev The next epoch begins, with a seed of this run.
    function _nextSeed(uint256 seed) internal {
        skip(EPOCH - (vm.getBlockTimestamp() - beacon.genesis()) % EPOCH);
        uint256 epoch = beacon.currentEpoch();
        beacon.set(epoch, keccak256(abi.encode("seed", seed, epoch)));
    }

    function _openOwn(address coordinator_, uint16 share, uint256 salt, uint256 deposit)
        internal
        returns (ChannelTerms memory)
    {
        vm.prank(raider);
        ownChannels.push(channels.open{value: deposit}(coordinator_, share, bytes32(salt)));
        return ChannelTerms(raider, coordinator_, uint32(beacon.currentEpoch()), share, PROTOCOL_SHARE, bytes32(salt));
    }

    // ---- committees ----

    /// @dev Where all weigh the same, whoever has the shortest way arrives first.
    function drawn(TaskOrder memory order) internal view virtual override returns (uint32[] memory) {
        return _firstOf(pool, drawOf(order), order.seats);
    }

    /// @return seated in the order of their accounts
    function _firstOf(uint32[] memory racers, bytes32 draw_, uint256 seats)
        internal
        pure
        returns (uint32[] memory seated)
    {
        uint256[] memory ways = new uint256[](racers.length);
        for (uint256 i; i < racers.length; ++i) {
            ways[i] = Race.distance(draw_, racers[i]);
        }
        seated = new uint32[](seats);
        uint256 found;
        for (uint256 i; i < racers.length && found < seats; ++i) {
            uint256 ahead;
            for (uint256 j; j < racers.length; ++j) {
                if (ways[j] < ways[i] || (ways[j] == ways[i] && j < i)) ++ahead;
            }
            if (ahead < seats) seated[found++] = racers[i];
        }
    }

    /// @dev Look through every committee that a channel can be made to draw in the epochs whose orders may be settled now.
    /// @return found whether one is wholly the coalition's
    /// @return order with that committee
    function _search(ChannelTerms memory opened) internal view returns (bool found, TaskOrder memory order) {
        uint256 members = _poolMembers();
        if (members < LANE_SEATS) return (false, order);
        uint32[] memory racers = pool;
        order = orderFor(channels.channelId(opened), 0, LANE_SEATS);
        uint256 newest = beacon.currentEpoch();
        for (uint256 back; back < ORDER_EPOCHS && newest - back > opened.openedIn; ++back) {
            order.epoch = uint32(newest - back);
            for (uint32 sequence; sequence < LANE_WINDOW; ++sequence) {
                order.sequence = sequence;
                if (!_allOwn(drawOf(order), racers, members)) continue;
                uint32[] memory seated = drawn(order);
                for (uint256 i; i < seated.length; ++i) {
                    assertTrue(own[seated[i]], "the race says the same");
                }
                return (true, order);
            }
        }
    }

    /// @dev Whether three of the coalition, who stand first in the pool, come before everybody else. The way is shorter
    /// the larger the hash is.
    function _allOwn(bytes32 draw_, uint32[] memory racers, uint256 members) private pure returns (bool) {
        uint256 best;
        for (uint256 i = members; i < racers.length; ++i) {
            uint256 hash = _hash(draw_, racers[i]);
            if (hash > best) best = hash;
        }
        uint256 ahead;
        for (uint256 i; i < members && ahead < LANE_SEATS; ++i) {
            if (_hash(draw_, racers[i]) > best) ++ahead;
        }
        return ahead == LANE_SEATS;
    }

    /// @dev As Race hashes, without memory of its own.
    function _hash(bytes32 draw_, uint32 account) private pure returns (uint256 hash) {
        assembly ("memory-safe") {
            mstore(0, draw_)
            mstore(32, account)
            hash := keccak256(0, 64)
        }
    }

    function _poolMembers() internal view returns (uint256 members) {
        while (members < COMPUTE && own[pool[members]]) {
            ++members;
        }
    }

    /// @dev Three of the coalition, those that were drawn first among them.
    /// @return seated nobody where it has fewer
    function _boughtSeats(TaskOrder memory order) internal view returns (uint32[] memory seated) {
        uint256 members = _poolMembers();
        if (members < LANE_SEATS) return seated;
        uint32[] memory mine = new uint32[](members);
        for (uint256 i; i < members; ++i) {
            mine[i] = pool[i];
        }
        return _firstOf(mine, drawOf(order), LANE_SEATS);
    }

    // ---- what honest parties do ----

    /// @dev Everybody who was drawn did the work.
    function _work(ChannelTerms memory opened, uint256 key, TaskOrder memory order)
        internal
        view
        returns (Evidence memory)
    {
        return provenOf(opened, key, order, drawn(order), 0, RESULT);
    }

    /// @dev One honest operator looks at a settled order and shows every seat that was not drawn.
    /// @return shown how many
    function _watchSeats(Evidence memory proof) internal returns (uint256 shown) {
        uint32[] memory right = drawn(proof.order);
        bytes32 hash = hashOf(proof.order);
        bytes32[] memory set = new bytes32[](proof.seats.length);
        for (uint256 i; i < set.length; ++i) {
            set[i] = commitmentFor(hash, proof.seats[i].account, proof.result);
        }
        bytes32 closed = keccak256(abi.encodePacked(set));
        for (uint256 i; i < set.length; ++i) {
            uint32 account = proof.seats[i].account;
            if (!channels.isOutrun(proof.order, account, right)) continue;
            (Attestation memory said, bytes memory signature) = attest(hash, account, proof.result, closed);
            vm.prank(_watcher());
            channels.proveFalseSeat(proof.order, said, signature, right);
            ++shown;
        }
    }

    function _watcher() internal view returns (address) {
        return operators[COMPUTE - 1].cold;
    }

    // ---- what is held ----

    function _holdings() internal view virtual override returns (Outcome memory held) {
        held = super._holdings();
        (uint96 bond,) = settlement.bonds(raider);
        held.coin += int256(uint256(bond) + settlement.withdrawable(raider));
        for (uint256 i; i < ownChannels.length; ++i) {
            held.coin += int256(uint256(channels.channels(ownChannels[i]).balance));
        }
    }

    /// @dev The coalition's accounts fetch what the pool owes them for fees they earned.
    function _fetchRebates() internal {
        for (uint256 i; i < COMPUTE; ++i) {
            address cold = operators[i].cold;
            if (!own[operators[i].account]) continue;
            (bool some,) = address(rewardPool).call(abi.encodeCall(IRewardPool.collectRebate, (cold)));
            if (some) rewardPool.claim(cold);
        }
    }

    /// @dev MLB counted at the price that governance set for rewards, in wei.
    function _worth(int256 mlb, int256 coin) internal view returns (int256) {
        return coin + mlb * 1e18 / int256(uint256(rewardRates().mlbPerCoin));
    }
}
