// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev A verifier of proofs and quotes that does what its mode says.
contract HostileVerifier {
    enum Mode {
        Honest,
        SaysNo,
        Reverts,
        RevertsWithMegabyte,
        BurnsGas,
        ReturnsNothing,
        ReturnsTwo,
        ReturnsMegabyte
    }

    Mode public mode;
    bytes32 public measurement;
    bytes32 public reportData;

    function set(Mode mode_) external {
        mode = mode_;
    }

    function say(bytes32 measurement_, bytes32 reportData_) external {
        (measurement, reportData) = (measurement_, reportData_);
    }

    /// @dev A proof is good if it is the hash of the instances.
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool) {
        _misbehave();
        return keccak256(proof) == keccak256(abi.encode(keccak256(abi.encode(instances))));
    }

    function verifyQuote(bytes calldata) external view returns (bytes32, bytes32) {
        _misbehave();
        return (measurement, reportData);
    }

    function _misbehave() private view {
        Mode now_ = mode;
        if (now_ == Mode.Honest) return;
        if (now_ == Mode.Reverts) revert("bad proof");
        uint256 answer = now_ == Mode.ReturnsTwo ? 2 : 0;
        uint256 size = now_ == Mode.ReturnsNothing ? 0 : now_ == Mode.ReturnsMegabyte ? 1 << 20 : 32;
        if (now_ == Mode.BurnsGas) while (true) answer += gasleft();
        if (now_ == Mode.RevertsWithMegabyte) {
            assembly ("memory-safe") {
                revert(0x80, 0x100000)
            }
        }
        assembly ("memory-safe") {
            mstore(0x80, answer)
            return(0x80, size)
        }
    }
}
