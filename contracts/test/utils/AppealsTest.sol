// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Appeals} from "../../src/Appeals.sol";
import {SlashEscrow} from "../../src/SlashEscrow.sol";
import {ISlashEscrow, SlashCase} from "../../src/interfaces/ISlashEscrow.sol";
import {ITaskManager} from "../../src/interfaces/ITaskManager.sol";
import {Hashing} from "../../src/libraries/Hashing.sol";
import {Seat} from "../../src/interfaces/Types.sol";
import {BaseTest} from "./BaseTest.sol";
import {Vm} from "./Vm.sol";

/// @title The whole system with slash escrow and appeals
abstract contract AppealsTest is BaseTest {
    /// @dev Role of contracts that may call panels.
    uint64 internal constant REVIEWER = 10;
    uint32 internal constant WINDOW = 3 days;
    uint256 internal constant MINIMUM_BOND = 1_000e18;

    SlashEscrow internal escrow;
    Appeals internal appeals;

    function setUp() public virtual override {
        super.setUp();
        deployAppeals();
    }

    function deployAppeals() internal {
        address escrowAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        address appealsAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        _deploy(
            "SlashEscrow", abi.encode(address(manager), address(ledger), appealsAt, uint16(1_000), WINDOW), escrowAt
        );
        _deploy(
            "Appeals",
            abi.encode(
                address(manager),
                address(token),
                escrowAt,
                address(ledger),
                address(tasks),
                address(registry),
                dissentCasesAt(),
                MINIMUM_BOND
            ),
            appealsAt
        );
        (escrow, appeals) = (SlashEscrow(escrowAt), Appeals(appealsAt));
        vm.startPrank(governor);
        ledger.setSlashEscrow(escrowAt);
        allowReviewer(appealsAt);
        vm.stopPrank();
    }

    /// @dev Nothing stands there without the channel lane.
    function dissentCasesAt() internal virtual returns (address) {
        return makeAddr("dissent cases");
    }

    function _deploy(string memory name, bytes memory arguments, address expected) internal {
        bytes memory code = bytes.concat(creationCode(name), arguments);
        address created;
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
        }
        assertEq(created, expected, name);
    }

    /// @dev The caller is the governor.
    function allowReviewer(address reviewer) internal {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = tasks.openReview.selector;
        manager.setTargetFunctionRole(address(tasks), selectors, REVIEWER);
        manager.grantRole(REVIEWER, reviewer, 0);
    }

    /// @dev All that an appellant needs, read from events as a client would.
    struct Papers {
        bytes32 taskId;
        SlashCase slashCase;
        Hashing.CaseRecord record;
        uint256 seat;
    }

    /// @dev Three seats of which `odd` says WRONG; five judges that all say `found`.
    function judgedCase(bytes32 modelId, uint256 odd, bytes memory found) internal returns (Papers memory papers) {
        vm.recordLogs();
        (bytes32 taskId,) = dissent(modelId, odd);
        if (modelId == numericModel) {
            uint8[] memory none = new uint8[](3);
            playRound(taskId, packVotes(none));
        }
        draw(taskId);
        if (modelId == numericModel) {
            uint8[] memory votes = new uint8[](3);
            for (uint256 i; i < 3; ++i) {
                bool holds = keccak256(found) == keccak256(i == odd ? WRONG : RIGHT);
                votes[i] = holds ? ACCEPT : REJECT;
            }
            playRound(taskId, packVotes(votes));
        } else {
            playRound(taskId, found);
        }
        return collect(taskId);
    }

    /// @dev Reads recorded logs. The first held slash of the task is the case.
    function collect(bytes32 taskId) internal returns (Papers memory papers) {
        papers.taskId = taskId;
        Hashing.CaseRecord memory record = papers.record;
        (record.model, record.inputHash) = (registry.terms(tasks.getTask(taskId).modelId).index, keccak256(INPUT));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        record.accounts = new uint32[](0);
        bool first;
        for (uint256 i; i < logs.length; ++i) {
            bytes32 kind = logs[i].topics[0];
            if (kind == ISlashEscrow.SlashHeld.selector) {
                (SlashCase memory found,) = abi.decode(logs[i].data, (SlashCase, uint256));
                if (papers.slashCase.account == 0) papers.slashCase = found;
            } else if (kind == ITaskManager.TaskFinalized.selector) {
                (record.winner,,,,) = abi.decode(logs[i].data, (bytes32, uint32, uint8, uint256, uint32[]));
            } else if (kind == ITaskManager.CommitteeDrawn.selector) {
                (uint8 round,, uint32[] memory accounts,,,) =
                    abi.decode(logs[i].data, (uint8, uint8, uint32[], uint64[], uint256, bytes32));
                if (round == 0) record.digests = new bytes32[](accounts.length);
                if (accounts.length > record.largest) record.largest = uint8(accounts.length);
                if (round == 0 && !first) (record.accounts, first) = (accounts, true);
                else record.accounts = _joined(record.accounts, accounts);
            } else if (kind == ITaskManager.ResultRevealed.selector) {
                (uint8 round, bytes32 digest,) = abi.decode(logs[i].data, (uint8, bytes32, bytes));
                if (round != 0) continue;
                for (uint256 j; j < record.digests.length; ++j) {
                    if (record.accounts[j] == uint32(uint256(logs[i].topics[2]))) record.digests[j] = digest;
                }
            }
        }
        while (record.accounts[papers.seat] != papers.slashCase.account) {
            ++papers.seat;
        }
    }

    function _joined(uint32[] memory a, uint32[] memory b) private pure returns (uint32[] memory both) {
        both = new uint32[](a.length + b.length);
        for (uint256 i; i < both.length; ++i) {
            both[i] = i < a.length ? a[i] : b[i - a.length];
        }
    }

    /// @dev By the slashed operator, with its bond.
    function appealOf(Papers memory papers, bytes memory mine, bytes memory delivered) internal returns (bytes32) {
        address who = operatorOf(papers.slashCase.account);
        uint256 bond = appeals.bondFor(appeals.panelSize(papers.record.largest));
        vm.prank(treasury);
        token.transfer(who, bond);
        vm.startPrank(who);
        token.approve(address(appeals), bond);
        bytes32 reviewId = appeals.appeal(
            papers.slashCase,
            papers.record,
            papers.seat,
            INPUT,
            inline_(mine),
            delivered.length == 0 ? delivered : inline_(delivered)
        );
        vm.stopPrank();
        return reviewId;
    }
}
