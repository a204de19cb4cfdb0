// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Hashing} from "../src/libraries/Hashing.sol";
import {Test} from "./utils/Test.sol";

/// @title The hashes of the protocol against examples made in Python
contract HashingTest is Test {
    string private json;
    address private manager;

    function setUp() public {
        json = vm.readFile("test/vectors/hashing.json");
        vm.chainId(vm.parseJsonUint(json, ".chainId"));
        manager = abi.decode(vm.parseJson(json, ".taskManager"), (address));
    }

    function testVectors() public view {
        uint256 count = vm.parseJsonUint(json, ".count");
        assertGt(count, 0);
        for (uint256 i; i < count; ++i) {
            string memory at = string.concat(".cases[", vm.toString(i), "]");
            _checkTask(at);
            _checkResult(at);
        }
    }

    function _checkTask(string memory at) private view {
        Hashing.TaskSpec memory spec;
        spec.chainId = block.chainid;
        spec.taskManager = manager;
        spec.requester = abi.decode(vm.parseJson(json, string.concat(at, ".requester")), (address));
        spec.modelId = _word(at, ".modelId");
        spec.inputHash = keccak256(vm.parseJsonBytes(json, string.concat(at, ".inputData")));
        spec.deadline = _number(at, ".deadline");
        spec.payment = _number(at, ".payment");
        spec.seats = uint8(_number(at, ".seats"));
        spec.salt = _word(at, ".salt");
        assertEq(spec.inputHash, _word(at, ".inputHash"), "input hash");
        assertEq(Hashing.taskId(spec), _word(at, ".taskId"), "task id");
    }

    function _checkResult(string memory at) private view {
        bytes32 task = _word(at, ".taskId");
        bytes memory payload = vm.parseJsonBytes(json, string.concat(at, ".payload"));
        bytes32 root = this.payloadRoot(bytes.concat(hex"00", payload));
        assertEq(root, _word(at, ".payloadRoot"), "payload root");
        assertEq(this.payloadRoot(bytes.concat(hex"01", root, hex"0155")), root, "root of a pointer");
        bytes32 digest = Hashing.digest(task, root);
        assertEq(digest, _word(at, ".digest"), "digest");
        uint256 round = _number(at, ".round");
        bytes32 commitment =
            Hashing.commitment(manager, task, round, _number(at, ".account"), digest, _word(at, ".commitmentSalt"));
        assertEq(commitment, _word(at, ".commitment"), "commitment");
        bytes32 seed = Hashing.seed(_word(at, ".blockHash"), task, round, _number(at, ".redraw"));
        assertEq(seed, _word(at, ".seed"), "seed");
    }

    /// @dev Written the plain way: whoever shows a ballot again makes this hash.
    function testFuzz_BallotOfAPanel(uint32[] memory accounts, bytes32[] memory values, uint256 revealed) public pure {
        bytes32 wanted =
            keccak256(abi.encode(keccak256(abi.encodePacked(accounts)), keccak256(abi.encodePacked(values)), revealed));
        assertEq(Hashing.ballot(accounts, values, revealed), wanted);
    }

    function testWellFormedContent() public view {
        assertFalse(this.wellFormed(""), "nothing");
        assertTrue(this.wellFormed(hex"00"), "an empty payload");
        assertTrue(this.wellFormed(hex"00ff"), "a payload");
        assertFalse(this.wellFormed(hex"02ff"), "an unknown tag");
        assertFalse(this.wellFormed(bytes.concat(hex"01", bytes32(uint256(1)))), "a pointer to nowhere");
        assertFalse(this.wellFormed(bytes.concat(hex"01", bytes32(uint256(1)), hex"01")), "no CID");
        bytes memory pointer = bytes.concat(hex"01", bytes32(uint256(1)), hex"01551220", bytes32(uint256(2)));
        assertTrue(this.wellFormed(pointer), "a block");
        assertFalse(this.wellFormed(bytes.concat(pointer, hex"00")), "longer than a CID");
        pointer[34] = 0x70;
        assertTrue(this.wellFormed(pointer), "a file");
        pointer[34] = 0x71;
        assertFalse(this.wellFormed(pointer), "another codec");
        (pointer[34], pointer[35]) = (0x55, 0x1e);
        assertFalse(this.wellFormed(pointer), "another hash");
        (pointer[35], pointer[0]) = (0x12, 0x00);
        assertFalse(this.isPointer(pointer), "a payload that looks like a pointer");
    }

    function payloadRoot(bytes calldata content) external pure returns (bytes32) {
        return Hashing.payloadRoot(content);
    }

    function isPointer(bytes calldata content) external pure returns (bool) {
        return Hashing.isPointer(content);
    }

    function wellFormed(bytes calldata content) external pure returns (bool) {
        return Hashing.wellFormed(content);
    }

    function _word(string memory at, string memory key) private view returns (bytes32) {
        return abi.decode(vm.parseJson(json, string.concat(at, key)), (bytes32));
    }

    function _number(string memory at, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(at, key));
    }
}
