// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {Outcome} from "../../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {BatchLeaves, LedgerLeaf, LedgerProof, TaskLeaf} from "../../src/libraries/BatchLeaves.sol";
import {ChannelHashing} from "../../src/libraries/ChannelHashing.sol";
import {VM as vm} from "../utils/Vm.sol";
import {SettlementHarness} from "./SettlementHarness.sol";

/// @title A batch never pays more than it took from its channels
/// @dev Two channels with debits of 88 bits, a leaf of any debit struck in one. The check plays the coordinator, the
/// channels, the attesters and the beacon.
contract BatchLedgerCheck {
    bytes32 private constant ONE = keccak256("one");
    bytes32 private constant OTHER = keccak256("other");

    SettlementHarness private settlement;
    uint256 private taken;
    uint256 private paid;
    uint256 private restored;

    function setUp() public {
        vm.warp(1_750_000_000);
        settlement = new SettlementHarness(address(this), ISettlement.Limits(1 days, 1 hours, 2, 0, 1, 1, 0));
        vm.deal(address(this), 100);
        settlement.depositBond{value: 2}();
    }

    // ---- the neighbours ----

    function settleWindow() external pure returns (uint256) {
        return 600;
    }

    function orderEpochs() external pure returns (uint256) {
        return 3;
    }

    function currentEpoch() external pure returns (uint256) {
        return 10;
    }

    function verify(bytes32, uint256, bytes calldata) external pure returns (uint256, uint256) {
        return (1, 1);
    }

    function debit(bytes32, address, IPaymentChannels.ChannelDebit[] calldata debits) external {
        for (uint256 i; i < debits.length; ++i) {
            taken += debits[i].debit;
        }
    }

    function restore(bytes32, bytes32, uint88 amount) external {
        restored += amount;
    }

    function reopen(bytes32, uint32, uint32, uint32, uint40) external {}

    function payOut(bytes32, address, uint256 amount, uint256 protocolFee) external {
        paid += amount + protocolFee;
    }

    function paySeat(bytes32, uint32, uint96 amount) external {
        paid += amount;
    }

    // ---- claims ----

    /// @dev Two claims by any accounts for any totals, in a tree of which the first leaf's hash is the smaller.
    function check_ClaimsPayNoMoreThanWasDebited(
        uint88 one,
        uint88 other,
        uint32 accountA,
        uint96 totalA,
        uint32 accountB,
        uint96 totalB
    ) external {
        vm.assume(accountA != 0 && accountB != 0);
        (bytes32 a, bytes32 b) = (_hash(0, accountA, totalA), _hash(1, accountB, totalB));
        vm.assume(a < b);
        ISettlement.Header memory header = _post(one, other, Hashes.commutativeKeccak256(a, b));
        vm.warp(block.timestamp + 1 days);
        _claim(header, 0, accountA, totalA, b);
        _claim(header, 1, accountB, totalB, a);
        assert(paid + settlement.batches(settlement.batchId(header)).pot == taken);
        assert(accountA != accountB || paid <= totalA || paid <= totalB);
    }

    /// @dev Any party: an account, an address or the protocol.
    function check_APartyClaimsOnce(uint88 one, uint88 other, uint256 party, uint96 total) external {
        ISettlement.Header memory header = _post(one, other, _hash(0, party, total));
        vm.warp(block.timestamp + 1 days);
        LedgerProof memory proof;
        proof.leaf = LedgerLeaf(0, party, 0, total, total, true);
        try settlement.claim(header, proof) {
            assert(paid == total && total <= taken);
        } catch {
            assert(paid == 0 && total > taken);
        }
        try settlement.claim(header, proof) {
            assert(false);
        } catch {
            assert(paid + settlement.batches(settlement.batchId(header)).pot == taken);
        }
    }

    /// @dev A struck leaf and a claim of the party that it had paid; all amounts.
    function check_AStruckLeafIsNotPaidAsWell(uint88 one, uint88 other, uint88 leaf, uint96 seatFee, uint96 total)
        external
    {
        ISettlement.Header memory header = _post(one, other, _hash(0, 6, total));
        bytes32 batch = settlement.batchId(header);
        Outcome memory outcome;
        (outcome.seatFee, outcome.winners) = (seatFee, new uint32[](1));
        outcome.winners[0] = 6;
        bool struck;
        try settlement.strike(header, TaskLeaf(0, ONE, 0, 1, leaf, leaf, true, 0, 0), outcome, one) {
            struck = true;
            assert(leaf <= one && restored == leaf);
        } catch {
            assert(restored == 0);
        }
        vm.warp(block.timestamp + 1 days);
        LedgerProof memory proof;
        proof.leaf = LedgerLeaf(0, 6, 0, total, total, true);
        try settlement.claim(header, proof) {
            assert(paid == (struck ? uint256(total) - seatFee : total));
        } catch {
            assert(paid == 0);
        }
        assert(paid + restored + settlement.batches(batch).pot == taken);
    }

    /// @dev A leaf struck before the batch was void; each channel gets back what was taken from it, once.
    function check_AVoidBatchGivesEachChannelBackItsDebit(uint88 one, uint88 other, uint88 leaf) external {
        ISettlement.Header memory header = _post(one, other, 0);
        bytes32 channel = ChannelHashing.channelOf(address(this), ONE);
        Outcome memory outcome;
        try settlement.strike(header, TaskLeaf(0, channel, 0, 1, leaf, leaf, true, 0, 0), outcome, one) {} catch {}
        settlement.void(header);
        settlement.restore(header, _debits(one, other), 0);
        assert(restored == one);
        settlement.restore(header, _debits(one, other), 1);
        assert(restored == taken && settlement.batches(settlement.batchId(header)).pot == 0);
        try settlement.restore(header, _debits(one, other), 0) {
            assert(false);
        } catch {
            assert(restored == taken);
        }
    }

    // ---- internal ----

    function _debits(uint88 one, uint88 other) private pure returns (IPaymentChannels.ChannelDebit[] memory debits) {
        debits = new IPaymentChannels.ChannelDebit[](2);
        debits[0] = IPaymentChannels.ChannelDebit(ONE, one, 0, 1);
        debits[1] = IPaymentChannels.ChannelDebit(OTHER, other, 0, 1);
    }

    function _post(uint88 one, uint88 other, bytes32 root) private returns (ISettlement.Header memory header) {
        (header.tasks, header.entries, header.ledgerRoot) = (1, 2, root);
        settlement.post(header, _debits(one, other), "");
        // As the settlement filled it in.
        (header.coordinator, header.epoch, header.postedAt) = (address(this), 10, uint40(block.timestamp));
        (header.debits, header.pot) = (keccak256(abi.encode(_debits(one, other))), uint96(one) + other);
    }

    function _hash(uint32 index, uint256 party, uint96 total) private pure returns (bytes32) {
        return BatchLeaves.hash(LedgerLeaf(index, party, 0, total, total, true));
    }

    function _claim(ISettlement.Header memory header, uint32 index, uint256 party, uint96 total, bytes32 sibling)
        private
    {
        LedgerProof memory shown = LedgerProof(LedgerLeaf(index, party, 0, total, total, true), new bytes32[](1));
        shown.proof[0] = sibling;
        try settlement.claim(header, shown) {} catch {}
    }
}
