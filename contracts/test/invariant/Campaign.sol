// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {InvariantTargets, Test} from "../utils/Test.sol";

/// @notice Who plays everybody in a campaign, and remembers what came of it.
interface IHandler {
    function setUp() external;
    function act(uint256 number) external;
    function check() external view;
    function drain() external;
    function seen(string calldata what) external view returns (uint256);
}

/// @title A campaign of random acts by one handler
/// @notice The handler checks by itself after every act. A run ends by finishing whatever waits and paying everybody.
abstract contract Campaign is Test, InvariantTargets {
    uint256 private constant MOST_ACTS = 5_000;

    IHandler internal handler;

    /// @param played deployed, and not set up yet
    function _begin(address played) internal {
        handler = IHandler(played);
        handler.setUp();
        bytes4[] memory entries = new bytes4[](1);
        entries[0] = IHandler.act.selector;
        targetContract(played);
        targetSelector(played, entries);
    }

    /// @dev What the handler must have come to at least once, parted by commas.
    function _wanted() internal pure virtual returns (string memory);

    function afterInvariant() public {
        handler.drain();
    }

    /// @dev Random runs prove something only about what they reach. This one goes on until it reached everything.
    function test_TheHandlerReachesEveryPath() public {
        string[] memory wanted = vm.split(_wanted(), ",");
        for (uint256 i; i < MOST_ACTS && (i % 100 != 0 || _missing(wanted) != 0); ++i) {
            handler.act(uint256(keccak256(abi.encode(i))));
        }
        handler.drain();
        for (uint256 i; i < wanted.length; ++i) {
            assertGt(handler.seen(wanted[i]), 0, wanted[i]);
        }
    }

    function _missing(string[] memory wanted) private view returns (uint256 count) {
        for (uint256 i; i < wanted.length; ++i) {
            if (handler.seen(wanted[i]) == 0) ++count;
        }
    }
}
