// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IRandomnessSource} from "../../src/interfaces/IRandomnessSource.sol";

/// @title A source that believes its prover: the worst that a beacon could be given
contract SourceStub is IRandomnessSource {
    error NotProven();

    uint256 public immutable delay;

    constructor(uint256 delay_) {
        delay = delay_;
    }

    function readyAt(uint256 from) external view returns (uint256) {
        return from + delay;
    }

    /// @dev The value is whatever 32 bytes the prover gives.
    function valueOf(uint256, bytes calldata proof) external pure returns (bytes32) {
        if (proof.length != 32) revert NotProven();
        return bytes32(proof);
    }
}
