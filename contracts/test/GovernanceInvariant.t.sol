// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Assembly} from "./invariant/Assembly.sol";
import {InvariantTargets, Test} from "./utils/Test.sol";

/// @title What holds of governance whatever anybody does in whatever order
/// @notice The assembly plays everybody. It counts every vote a second time and checks after each call that a proposal
/// was queued and executed exactly when it had its quorum and approval, had waited, and nobody with the right to had
/// vetoed it.
contract GovernanceInvariantTest is Test, InvariantTargets {
    Assembly private assembled;

    function setUp() public {
        assembled = new Assembly();
        assembled.setUp();
        bytes4[] memory entries = new bytes4[](1);
        entries[0] = Assembly.act.selector;
        targetContract(address(assembled));
        targetSelector(address(assembled), entries);
    }

    /// @dev In one function, because forge repeats the whole campaign for each.
    function invariant_PowerAndTreasuryMoveByVoteAlone() public view {
        assembled.checkPower();
        assembled.checkTreasury();
    }

    /// @dev Random runs prove something only about what they reach.
    function test_TheAssemblyReachesEveryPath() public {
        for (uint256 i; i < 800; ++i) {
            assembled.act(uint256(keccak256(abi.encode(i))));
        }
        assembled.checkPower();
        assembled.checkTreasury();
        string[12] memory wanted = [
            "proposed",
            "voted",
            "no power",
            "queued",
            "not queued",
            "executed",
            "not executed",
            "granted",
            "vetoed",
            "enrolled",
            "refreshed",
            "theft refused"
        ];
        for (uint256 i; i < wanted.length; ++i) {
            assertGt(assembled.seen(wanted[i]), 0, wanted[i]);
        }
    }
}
