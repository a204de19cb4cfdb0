// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Role} from "../../src/interfaces/Types.sol";
import {BaseTest} from "../utils/BaseTest.sol";
import {Chance} from "./Chance.sol";

/// @title A network of equals, a coalition within it, and what the coalition's attacks earn
/// @notice Every run starts from the same state and differs by its seed alone. The coalition splits its stake as the
/// others do: an operator holds at most one seat, so stake in one hand draws less. Gas is not counted, which favours
/// the coalition. COALITION_RUNS says how many runs each attack has at each share, and asks for a report;
/// attacks whose runs are dear have a half or a quarter of them.
/// @dev A run is a call of this contract to itself that reverts with its outcome: so it leaves nothing behind.
abstract contract Arena is BaseTest {
    using Strings for uint256;

    /// @notice What one run came to. Differences to the state before it.
    struct Outcome {
        bool won; // the attack reached what it was for
        int256 mlb; // of the coalition: staked, unbonding, claimable and in hand
        int256 coin; // wei of the coalition: claimable and in hand
        int256 others; // MLB of all other operators: staked, unbonding and claimable
        int256 reserve; // MLB of the public model's dispute reserve
    }

    /// @notice All runs of an attack at one share of stake.
    struct Row {
        string attack;
        uint256 share; // per cent
        uint256 runs;
        uint256 wins;
        uint256 chance; // of a win by luck of the draw, parts of Chance.ONE
        int256 mlb; // sums over the runs
        int256 coin;
        int256 others;
        int256 reserve;
        int256 worstMlb; // of one run
        int256 bestMlb;
        int256 worstCoin;
        int256 bestCoin;
    }

    /// @dev Ends a run.
    error Ended(Outcome outcome);

    /// @dev forge prints it, and tools/coalitions reads it.
    event log(string line);

    uint256 internal constant COMPUTE = 20;
    uint256 internal constant VERIFIERS = 20;
    uint256 internal constant FEW_RUNS = 20;
    uint256 internal constant SAFE_BELOW = 30;
    uint256 internal constant UNKNOWN = type(uint256).max;
    /// @dev Deviations that a count may be off from what chance says.
    uint256 private constant SIGMAS = 4;

    address internal raider = makeAddr("raider");
    bytes32 internal ownModel; // of the coalition; zero for none
    mapping(uint32 account => bool) internal own;

    uint256[] internal shares = [10, 20, 30, 40, 60];
    uint256 private startTime;
    uint256 private startBlock;
    Outcome private start;

    function setUp() public virtual override {
        super.setUp();
        addPool(COMPUTE, VERIFIERS);
        vm.deal(raider, 1_000 ether);
    }

    /// @dev Those of a public chain, as the deployment has them.
    function parameters() internal view virtual override returns (ITaskManager.Parameters memory) {
        return ITaskManager.Parameters({
            defaultSeats: 3,
            firstJudgeSeats: 5,
            lastJudgeSeats: 9,
            maxRedraws: 3,
            spareSeats: 5,
            openSeats: 16,
            commitWindow: 300,
            revealWindow: 300,
            minTaskTime: 600,
            maxTaskTime: 7 days,
            seatFee: 1e13,
            tip: 1e12,
            protocolFee: 500
        });
    }

    // ---- the coalition ----

    /// @dev Who belongs to it from here on: of each kind its share.
    function _muster(uint256 share, bool compute, bool verifiers) internal {
        for (uint256 i; i < COMPUTE + VERIFIERS; ++i) {
            bool first = i < COMPUTE;
            uint256 place = first ? i : i - COMPUTE;
            bool chosen = first ? compute : verifiers;
            own[operators[i].account] = chosen && place < _members(first ? COMPUTE : VERIFIERS, share);
        }
        _mark();
    }

    /// @dev Runs start here.
    function _mark() internal {
        (startTime, startBlock) = (vm.getBlockTimestamp(), vm.getBlockNumber());
        start = _holdings();
    }

    function _members(uint256 population, uint256 share) internal pure returns (uint256) {
        return population * share / 100;
    }

    // ---- runs ----

    /// @dev 0 unless somebody asks for a number, and for a report.
    function _asked() private view returns (uint256) {
        return vm.envOr("COALITION_RUNS", uint256(0));
    }

    /// @dev Dear runs are played a part as often at each share.
    function _thrift() internal pure virtual returns (uint256 divisor) {
        return 1;
    }

    function _report(string memory line) internal {
        if (_asked() != 0) emit log(line);
    }

    function _sample(string memory attack, uint256 share, uint256 chance, function(uint256) external episode)
        internal
        returns (Row memory row)
    {
        uint256 asked = _asked();
        (row.attack, row.share, row.chance) = (attack, share, chance);
        row.runs = Math.ceilDiv(asked == 0 ? FEW_RUNS : asked, _thrift());
        for (uint256 i; i < row.runs; ++i) {
            _add(row, _try(episode, uint256(keccak256(abi.encode(attack, share, i)))), i == 0);
        }
        _report(_json(row));
    }

    /// @dev One run. A revert undoes everything but the clock.
    function _try(function(uint256) external episode, uint256 seed) internal returns (Outcome memory) {
        (bool ok, bytes memory data) = episode.address.call(abi.encodeWithSelector(episode.selector, seed));
        vm.warp(startTime);
        vm.roll(startBlock);
        assertFalse(ok, "a run ends by reverting");
        if (bytes4(data) != Ended.selector) {
            assembly ("memory-safe") {
                revert(add(data, 32), mload(data))
            }
        }
        assembly ("memory-safe") {
            mstore(add(data, 4), sub(mload(data), 4))
            data := add(data, 4)
        }
        return abi.decode(data, (Outcome));
    }

    /// @dev The end of every episode.
    function _end(bool won) internal view {
        Outcome memory outcome = _gained();
        outcome.won = won;
        revert Ended(outcome);
    }

    /// @dev Since runs start.
    function _gained() internal view returns (Outcome memory outcome) {
        outcome = _holdings();
        outcome.mlb -= start.mlb;
        outcome.coin -= start.coin;
        outcome.others -= start.others;
        outcome.reserve -= start.reserve;
    }

    /// @dev The reserve of a model that is the coalition's own counts as the coalition's: nobody else can judge there.
    function _holdings() internal view virtual returns (Outcome memory held) {
        for (uint256 i; i < operators.length; ++i) {
            (address cold, uint32 account) = (operators[i].cold, operators[i].account);
            IRewardDistributor.Account memory stake = ledger.accounts(account);
            uint256 mlb = stake.bonded + stake.unbonding + ledger.claimableTokens(cold);
            if (own[account]) {
                held.mlb += int256(mlb + token.balanceOf(cold));
                held.coin += int256(cold.balance + ledger.claimable(cold));
            } else {
                held.others += int256(mlb);
            }
        }
        held.mlb += int256(
            token.balanceOf(raider) + ledger.claimableTokens(raider) + ledger.stakeOf(raider, Role.ModelProvider)
        );
        if (ownModel != 0) held.mlb += int256(ledger.disputeReserve(registry.terms(ownModel).index));
        held.coin += int256(raider.balance + ledger.claimable(raider));
        held.reserve = int256(
            ledger.disputeReserve(registry.terms(exactModel).index)
                + ledger.disputeReserve(registry.terms(numericModel).index)
        );
    }

    function _add(Row memory row, Outcome memory outcome, bool first) private pure {
        if (outcome.won) ++row.wins;
        row.mlb += outcome.mlb;
        row.coin += outcome.coin;
        row.others += outcome.others;
        row.reserve += outcome.reserve;
        if (first || outcome.mlb < row.worstMlb) row.worstMlb = outcome.mlb;
        if (first || outcome.mlb > row.bestMlb) row.bestMlb = outcome.mlb;
        if (first || outcome.coin < row.worstCoin) row.worstCoin = outcome.coin;
        if (first || outcome.coin > row.bestCoin) row.bestCoin = outcome.coin;
    }

    // ---- what must hold ----

    /// @dev Wins are what chance gives, neither more nor less.
    function _assertChance(Row memory row) internal pure {
        _assertNoMoreThanChance(row);
        (uint256 expected, uint256 slack) = _expected(row);
        assertGe(row.wins * Chance.ONE + slack, expected, _about(row, "fewer wins than chance gives"));
    }

    function _assertNoMoreThanChance(Row memory row) internal pure {
        (uint256 expected, uint256 slack) = _expected(row);
        assertLe(row.wins * Chance.ONE, expected + slack, _about(row, "more wins than chance gives"));
    }

    function _assertNeverWon(Row memory row) internal pure {
        assertEq(row.wins, 0, _about(row, "won"));
    }

    /// @dev Not in one run.
    function _assertNoMlbGained(Row memory row) internal pure {
        assertTrue(row.bestMlb <= 0, _about(row, "MLB gained in a run"));
    }

    function _assertMlbLost(Row memory row) internal pure {
        assertTrue(row.mlb < 0, _about(row, "no MLB lost over all runs"));
    }

    function _assertCoinLost(Row memory row) internal pure {
        assertTrue(row.bestCoin < 0, _about(row, "no wei lost in a run"));
    }

    /// @dev Wins expected, and how far off they may be, in parts of Chance.ONE.
    function _expected(Row memory row) private pure returns (uint256 expected, uint256 slack) {
        expected = row.runs * row.chance;
        slack = SIGMAS * Math.sqrt(expected * (Chance.ONE - row.chance)) + Chance.ONE;
    }

    function _about(Row memory row, string memory what) internal pure returns (string memory) {
        return string.concat(row.attack, " at ", row.share.toString(), " %: ", what);
    }

    // ---- report ----

    function _json(Row memory row) private pure returns (string memory line) {
        line = string.concat('{"attack":"', row.attack, '","share":', row.share.toString());
        line = string.concat(line, ',"runs":', row.runs.toString(), ',"wins":', row.wins.toString());
        if (row.chance != UNKNOWN) line = string.concat(line, ',"chance":"', row.chance.toString(), '"');
        line = string.concat(line, _field("mlb", row.mlb), _field("coin", row.coin));
        line = string.concat(line, _field("others", row.others), _field("reserve", row.reserve));
        line = string.concat(line, _field("worstMlb", row.worstMlb), _field("bestMlb", row.bestMlb));
        line = string.concat(line, _field("worstCoin", row.worstCoin), _field("bestCoin", row.bestCoin), "}");
    }

    /// @dev As text: the numbers are larger than JSON's readers keep whole.
    function _field(string memory name, int256 value) private pure returns (string memory) {
        return string.concat(',"', name, '":"', Strings.toStringSigned(value), '"');
    }
}
