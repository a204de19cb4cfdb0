// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelTerms} from "../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {ChannelHashing} from "../src/libraries/ChannelHashing.sol";
import {BatchTest} from "./utils/BatchTest.sol";

/// @title What a batch costs for each of its tasks
/// @notice Measured on the committed bytecode in abi/ as a transaction of its own, in the steady state. A figure is the
/// receipt gas of posting with three attesters, divided by the tasks: it includes the attesters' signatures and
/// weights, the coordinator's bond, and the debit of every channel in the batch, whose sequences are passed with it.
/// It does not depend on the leaves. Claims are apart: one for each party of a batch, whatever the number of its tasks.
/// forge-config: default.isolate = true
contract BatchGasTest is BatchTest {
    uint256 private rounds;

    function creationCode(string memory name) internal view override returns (bytes memory) {
        return vm.parseJsonBytes(vm.readFile(string.concat("abi/", name, ".json")), ".bytecode");
    }

    function _terms(uint256 i) private view returns (ChannelTerms memory) {
        return ChannelTerms(client, coordinator, terms.openedIn, COORDINATOR_SHARE, PROTOCOL_SHARE, bytes32(i));
    }

    /// @dev Channels of one requester, sorted by id.
    function _debits(uint256 channels_, uint32 from, uint32 each)
        private
        view
        returns (IPaymentChannels.ChannelDebit[] memory debits)
    {
        debits = new IPaymentChannels.ChannelDebit[](channels_);
        for (uint256 i; i < channels_; ++i) {
            debits[i] = IPaymentChannels.ChannelDebit(detailsOf(_terms(i)), 0.01 ether, from, from + each);
            for (uint256 j = i; j != 0 && _id(debits[j - 1]) > _id(debits[j]); --j) {
                (debits[j - 1], debits[j]) = (debits[j], debits[j - 1]);
            }
        }
    }

    function _id(IPaymentChannels.ChannelDebit memory entry_) private view returns (bytes32) {
        return ChannelHashing.channelOf(coordinator, entry_.details);
    }

    function _post(uint256 channels_, uint32 from, uint32 tasks_) private {
        IPaymentChannels.ChannelDebit[] memory debits = _debits(channels_, from, tasks_ / uint32(channels_) + 1);
        ISettlement.Header memory header;
        header.coordinator = coordinator;
        header.tasks = tasks_;
        header.entries = tasks_ * 6;
        header.taskRoot = keccak256(abi.encode("tasks", ++rounds));
        header.ledgerRoot = keccak256(abi.encode("ledger", rounds));
        header.data = keccak256("cid");
        header.debits = keccak256(abi.encode(debits));
        bytes memory signatures = attested(settlement.attestedDigest(header), judges);
        header.debits = 0;
        header.coordinator = address(0);
        vm.prank(coordinator);
        settlement.post(header, debits, signatures);
    }

    function _measure(uint256 channels_, uint32 tasks_, uint256 most) private {
        for (uint256 i = 1; i < channels_; ++i) {
            uint256 epoch = terms.openedIn;
            vm.warp(beacon.genesis() + epoch * EPOCH);
            openChannel(client, COORDINATOR_SHARE, bytes32(i), 1 ether);
        }
        advance();
        _post(channels_, 0, tasks_);
        skip(12);
        _post(channels_, tasks_ / uint32(channels_) + 1, tasks_);
        uint256 used = vm.lastCallGas().gasTotalUsed;
        string memory name =
            string.concat("batch of ", vm.toString(uint256(tasks_)), ", ", vm.toString(channels_), " channels");
        vm.snapshotValue("channel-lane", string.concat(name, ": posting"), used);
        vm.snapshotValue("channel-lane", string.concat(name, ": per task"), used / tasks_);
        assertLe(used / tasks_, most, name);
    }

    function test_BatchOf100() public {
        _measure(10, 100, 2_600);
    }

    function test_BatchOf256() public {
        _measure(20, 256, 1_500);
    }

    function test_BatchOf1000() public {
        _measure(50, 1_000, 850);
    }

    function test_ClaimsAndChallenges() public {
        Draft memory made = draft(4);
        bytes32 batch = post(made);
        finish(batch);
        claimAll(made);
        made = draft(4);
        made.evidence[1].orderSignature = made.evidence[0].orderSignature;
        made.tasks[1].evidence = keccak256(abi.encode(made.evidence[1]));
        batch = post(made);
        settlement.strikeEvidence(made.header, task(made, 1), made.evidence[1], made.outcomes[1], made.debits);
        vm.snapshotValue("channel-lane", "strike a leaf of 4", vm.lastCallGas().gasTotalUsed);
        finish(batch);
        settlement.claim(made.header, entry(made, made.entries.length - 1));
        vm.snapshotValue("channel-lane", "claim an address's share", vm.lastCallGas().gasTotalUsed);
        for (uint256 i; i < made.entries.length; ++i) {
            if (!made.entries[i].last || made.entries[i].party == 0 || made.entries[i].party > type(uint32).max) {
                continue;
            }
            settlement.claim(made.header, entry(made, i));
            vm.snapshotValue("channel-lane", "claim a seat's fees", vm.lastCallGas().gasTotalUsed);
            break;
        }
    }
}
