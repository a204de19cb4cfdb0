// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EcdsaAttestations} from "../../src/EcdsaAttestations.sol";
import {Settlement} from "../../src/Settlement.sol";
import {ChannelTerms, Evidence, Outcome, TaskOrder} from "../../src/interfaces/ChannelTypes.sol";
import {IPaymentChannels} from "../../src/interfaces/IPaymentChannels.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Role} from "../../src/interfaces/Types.sol";
import {LedgerLeaf, LedgerProof, TaskLeaf, TaskProof} from "../../src/libraries/BatchLeaves.sol";
import {ChannelTest} from "./ChannelTest.sol";

/// @dev Makes one contract at an address that is known beforehand, whatever its maker's maker did meanwhile.
contract Maker {
    function make(bytes memory code) external returns (address created) {
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
            if iszero(created) {
                returndatacopy(mload(0x40), 0, returndatasize())
                revert(mload(0x40), returndatasize())
            }
        }
    }
}

/// @title A coordinator's side of a batch: leaves, totals, trees, signatures
/// @dev Leaves and trees are built here as docs/design/channel-lane.md writes them, not with the library's code.
abstract contract BatchTest is ChannelTest {
    uint40 internal constant CHALLENGE = 1 hours;
    uint40 internal constant ANSWER = 10 minutes;
    uint96 internal constant BOND = 10 ether;
    uint96 internal constant LEAF_PENALTY = 1 ether;
    uint96 internal constant DEMAND = 0.1 ether;

    /// @dev A batch as its coordinator has it. Tests change it, then seal and post it.
    struct Draft {
        ISettlement.Header header;
        IPaymentChannels.ChannelDebit[] debits;
        TaskLeaf[] tasks;
        LedgerLeaf[] entries;
        Evidence[] evidence;
        Outcome[] outcomes;
    }

    Maker private maker;
    Settlement internal settlement;
    EcdsaAttestations internal attesters;
    uint32[] internal judges;

    function setUp() public virtual override {
        super.setUp();
        bytes memory arguments =
            abi.encode(address(manager), address(channels), makeAttesters(), address(beacon), treasury, batchLimits());
        address made = maker.make(bytes.concat(creationCode("Settlement"), arguments));
        assertEq(made, settlementAt, "predicted");
        settlement = Settlement(made);
        addAttesters();
        vm.prank(coordinator);
        settlement.depositBond{value: 3 * BOND}();
    }

    /// @dev What counts a batch's signatures, and how many it wants.
    function makeAttesters() internal virtual returns (address) {
        attesters = EcdsaAttestations(make("EcdsaAttestations", abi.encode(address(ledger), address(tasks))));
        return address(attesters);
    }

    function leastSigners() internal pure virtual returns (uint32) {
        return 3;
    }

    function settlementAddress() internal virtual override returns (address) {
        maker = new Maker();
        settlementAt = vm.computeCreateAddress(address(maker), 1);
        return settlementAt;
    }

    function addAttesters() internal virtual {
        for (uint256 i; i < 3; ++i) {
            judges.push(addOperator(Role.Verifier, VERIFIER_MIN).account);
        }
    }

    /// @dev What a test wants to change about batches.
    function batchLimits() internal pure virtual returns (ISettlement.Limits memory) {
        return ISettlement.Limits({
            challengeWindow: CHALLENGE,
            answerWindow: ANSWER,
            bond: BOND,
            minSigners: leastSigners(),
            leafPenalty: LEAF_PENALTY,
            demandBond: DEMAND,
            minWeight: 1
        });
    }

    // ---- drafts ----

    /// @dev `count` orders of one channel from its floor on, all done by their committees.
    function draft(uint32 count) internal view returns (Draft memory made) {
        made.evidence = new Evidence[](count);
        uint32 floor = channels.channels(channel).floor;
        for (uint32 i; i < count; ++i) {
            made.evidence[i] = proven(orderOf(floor + i, 3), 0);
        }
        assemble(made);
    }

    /// @dev Everything that follows from the evidence, which is sorted by channel and sequence.
    function assemble(Draft memory made) internal view {
        uint256 count = made.evidence.length;
        made.outcomes = new Outcome[](count);
        made.tasks = new TaskLeaf[](count);
        uint256 groups;
        for (uint256 i; i < count; ++i) {
            made.outcomes[i] = channels.check(made.evidence[i]);
            TaskOrder memory order = made.evidence[i].order;
            bool first = i == 0 || made.evidence[i - 1].order.channel != order.channel;
            if (first) ++groups;
            uint88 spent = uint88(made.outcomes[i].debit);
            made.tasks[i] = TaskLeaf({
                index: uint32(i),
                channel: order.channel,
                sequence: order.sequence,
                rank: first ? 1 : made.tasks[i - 1].rank + 1,
                debit: spent,
                total: first ? spent : made.tasks[i - 1].total + spent,
                last: i + 1 == count || made.evidence[i + 1].order.channel != order.channel,
                outcome: keccak256(abi.encode(made.outcomes[i])),
                evidence: keccak256(abi.encode(made.evidence[i]))
            });
        }
        made.debits = new IPaymentChannels.ChannelDebit[](groups);
        groups = 0;
        for (uint256 i; i < count; ++i) {
            TaskLeaf memory leaf = made.tasks[i];
            if (!leaf.last) continue;
            made.debits[groups++] = IPaymentChannels.ChannelDebit({
                details: detailsOf(made.evidence[i].terms),
                debit: leaf.total,
                from: channels.channels(leaf.channel).floor,
                to: leaf.sequence + 1
            });
        }
        fillEntries(made);
    }

    function detailsOf(ChannelTerms memory t) internal pure returns (bytes32) {
        return keccak256(abi.encode(t.requester, t.openedIn, t.coordinatorShare, t.protocolShare, t.salt));
    }

    function party(address who) internal pure returns (uint256) {
        return 1 << 160 | uint256(uint160(who));
    }

    /// @dev One entry for each party and task, sorted, with running totals.
    function fillEntries(Draft memory made) internal view {
        LedgerLeaf[] memory raw = new LedgerLeaf[](made.tasks.length * 8);
        uint256 found;
        for (uint32 i; i < made.tasks.length; ++i) {
            Outcome memory outcome = made.outcomes[i];
            for (uint256 k; k < outcome.winners.length; ++k) {
                raw[found++] = LedgerLeaf(0, outcome.winners[k], i, outcome.seatFee, 0, false);
            }
            raw[found++] = LedgerLeaf(0, 0, i, outcome.protocolFee, 0, false);
            raw[found++] = LedgerLeaf(0, party(coordinator), i, outcome.coordinatorFee, 0, false);
            raw[found++] = LedgerLeaf(0, party(outcome.modelProvider), i, outcome.modelFee, 0, false);
        }
        assembly ("memory-safe") {
            mstore(raw, found)
        }
        for (uint256 i = 1; i < found; ++i) {
            for (uint256 j = i; j != 0 && _later(raw[j - 1], raw[j]); --j) {
                (raw[j - 1], raw[j]) = (raw[j], raw[j - 1]);
            }
        }
        made.entries = raw;
        for (uint256 i; i < found; ++i) {
            raw[i].index = uint32(i);
        }
        sumUp(made);
    }

    /// @dev Running totals and marks of the last entry of each party.
    function sumUp(Draft memory made) internal pure {
        for (uint256 i; i < made.entries.length; ++i) {
            LedgerLeaf memory item = made.entries[i];
            bool first = i == 0 || made.entries[i - 1].party != item.party;
            item.total = item.amount + (first ? 0 : made.entries[i - 1].total);
            item.last = i + 1 == made.entries.length || made.entries[i + 1].party != item.party;
        }
    }

    function _later(LedgerLeaf memory a, LedgerLeaf memory b) private pure returns (bool) {
        return a.party > b.party || (a.party == b.party && a.task > b.task);
    }

    /// @dev Roots, signatures and the post itself.
    function post(Draft memory made) internal returns (bytes32 batch) {
        bytes memory signatures = seal(made);
        vm.prank(coordinator);
        batch = settlement.post(made.header, made.debits, signatures);
        made.header.epoch = uint32(beacon.currentEpoch());
        made.header.postedAt = uint40(vm.getBlockTimestamp());
        for (uint256 i; i < made.debits.length; ++i) {
            made.header.pot += made.debits[i].debit;
        }
        assertEq(batch, settlement.batchId(made.header), "id");
    }

    function seal(Draft memory made) internal view returns (bytes memory) {
        made.header.coordinator = coordinator;
        made.header.tasks = uint32(made.tasks.length);
        made.header.entries = uint32(made.entries.length);
        made.header.taskRoot = root(taskHashes(made));
        made.header.ledgerRoot = root(entryHashes(made));
        made.header.data = keccak256("cid");
        made.header.debits = keccak256(abi.encode(made.debits));
        return attestedBy(settlement.attestedDigest(made.header));
    }

    /// @dev What the attesters say under a batch.
    function attestedBy(bytes32 digest) internal view virtual returns (bytes memory) {
        return attested(digest, judges);
    }

    function attested(bytes32 digest, uint32[] memory accounts) internal view returns (bytes memory) {
        bytes[] memory signatures = new bytes[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            signatures[i] = signBy(nodeKeyOf(accounts[i]), digest);
        }
        return abi.encode(accounts, signatures);
    }

    // ---- trees ----

    function taskHashes(Draft memory made) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](made.tasks.length);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encodePacked(keccak256(abi.encode(made.tasks[i]))));
        }
    }

    function entryHashes(Draft memory made) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](made.entries.length);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encodePacked(keccak256(abi.encode(made.entries[i]))));
        }
    }

    /// @dev Neighbours are hashed in ascending order; an odd one goes up as it is.
    function _level(bytes32[] memory below) private pure returns (bytes32[] memory level) {
        level = new bytes32[]((below.length + 1) / 2);
        for (uint256 i; i < level.length; ++i) {
            bytes32 left = below[2 * i];
            if (2 * i + 1 == below.length) {
                level[i] = left;
                continue;
            }
            bytes32 right = below[2 * i + 1];
            level[i] =
                left < right ? keccak256(abi.encodePacked(left, right)) : keccak256(abi.encodePacked(right, left));
        }
    }

    function root(bytes32[] memory level) internal pure returns (bytes32) {
        while (level.length > 1) {
            level = _level(level);
        }
        return level[0];
    }

    function path(bytes32[] memory level, uint256 index) internal pure returns (bytes32[] memory proof) {
        proof = new bytes32[](16);
        uint256 found;
        while (level.length > 1) {
            uint256 sibling = index ^ 1;
            if (sibling < level.length) proof[found++] = level[sibling];
            level = _level(level);
            index /= 2;
        }
        assembly ("memory-safe") {
            mstore(proof, found)
        }
    }

    function task(Draft memory made, uint256 index) internal pure returns (TaskProof memory) {
        return TaskProof(made.tasks[index], path(taskHashes(made), index));
    }

    function entry(Draft memory made, uint256 index) internal pure returns (LedgerProof memory) {
        return LedgerProof(made.entries[index], path(entryHashes(made), index));
    }

    // ---- afterwards ----

    function finish(bytes32 batch) internal {
        vm.warp(settlement.batches(batch).finalAt);
    }

    /// @dev Every party claims.
    function claimAll(Draft memory made) internal {
        for (uint256 i; i < made.entries.length; ++i) {
            if (made.entries[i].last) settlement.claim(made.header, entry(made, i));
        }
    }
}
