// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Create3} from "@openzeppelin/contracts/utils/Create3.sol";

import {Create3Factory} from "../src/Create3Factory.sol";
import {Test} from "./utils/Test.sol";

/// @dev Knows its argument and what its factory says of it, or refuses to be.
contract Child {
    error Refused(uint256 argument);

    uint256 public immutable argument;
    bytes32 public immutable creation;

    constructor(uint256 argument_, Create3Factory factory) {
        if (argument_ == 0) revert Refused(argument_);
        argument = argument_;
        creation = factory.creationOf(address(this));
    }
}

/// @dev Tries to have its own address made a second time while it is being made.
contract Greedy {
    bool public immutable again;

    constructor(Create3Factory factory, bytes32 salt) {
        (again,) = address(factory).call(abi.encodeCall(Create3Factory.make, (salt, hex"00")));
    }
}

contract Create3FactoryTest is Test {
    address private constant PROXY = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    bytes32 private constant SALT = keccak256("salt");

    Create3Factory private factory = new Create3Factory();
    address private maker = makeAddr("maker");
    address private stranger = makeAddr("stranger");

    function code(uint256 argument) private view returns (bytes memory) {
        return bytes.concat(type(Child).creationCode, abi.encode(argument, factory));
    }

    function made(address by, bytes32 salt, bytes memory creation) private returns (address) {
        vm.prank(by);
        return factory.make(salt, creation);
    }

    function testFuzz_TheAddressDependsOnMakerAndSaltAlone(address by, bytes32 salt, uint256 argument) public {
        vm.assume(argument != 0);
        address expected = factory.addressOf(by, salt);
        vm.expectEmit(address(factory));
        emit Create3Factory.ContractMade(by, salt, expected, keccak256(code(argument)));
        assertEq(made(by, salt, code(argument)), expected);
        assertEq(Child(expected).argument(), argument);
        assertEq(factory.creationOf(expected), keccak256(code(argument)));
        assertEq(Child(expected).creation(), factory.creationOf(expected), "known while it is made");
    }

    function testFuzz_NobodyTakesAnothersAddress(address by, bytes32 salt) public {
        vm.assume(by != maker);
        address mine = factory.addressOf(maker, SALT);
        vm.assume(salt != SALT);
        assertTrue(made(by, SALT, code(1)) != mine);
        assertTrue(made(by, salt, code(1)) != mine);
        assertEq(factory.creationOf(mine), bytes32(0));
        assertEq(made(maker, SALT, code(2)), mine, "still free for its owner");
    }

    function test_AnAddressIsMadeOnce() public {
        address first = made(maker, SALT, code(1));
        vm.expectRevert(abi.encodeWithSelector(Create3Factory.AlreadyMade.selector, first));
        made(maker, SALT, code(2));
        assertEq(Child(first).argument(), 1);
        assertEq(factory.creationOf(first), keccak256(code(1)));
    }

    function test_TheConstructorsErrorPassesThroughAndLeavesNothing() public {
        vm.expectRevert(abi.encodeWithSelector(Child.Refused.selector, 0));
        made(maker, SALT, code(0));
        assertEq(factory.creationOf(factory.addressOf(maker, SALT)), bytes32(0));
        assertEq(made(maker, SALT, code(3)), factory.addressOf(maker, SALT), "a refused one may be mended");
    }

    function test_ThereMustBeCode() public {
        vm.expectRevert(Create3.Create3EmptyBytecode.selector);
        made(maker, SALT, "");
    }

    function test_AConstructorCannotHaveItsOwnAddressMadeAgain() public {
        bytes memory creation = bytes.concat(type(Greedy).creationCode, abi.encode(factory, SALT));
        address first = made(maker, SALT, creation);
        assertTrue(Greedy(first).again(), "what it made is bound to itself");
        assertEq(factory.creationOf(first), keccak256(creation));
        assertEq(factory.creationOf(factory.addressOf(first, SALT)), keccak256(hex"00"));
    }

    /// @dev The canonical proxy of github.com/Arachnid/deterministic-deployment-proxy, as every chain has it.
    function test_TheProxyPutsTheFactoryAtOneAddress() public {
        vm.etch(
            PROXY,
            hex"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
        );
        bytes memory creation = type(Create3Factory).creationCode;
        (bool ok, bytes memory answer) = PROXY.call(bytes.concat(bytes32(0), creation));
        assertTrue(ok);
        bytes32 word = keccak256(abi.encodePacked(hex"ff", PROXY, bytes32(0), keccak256(creation)));
        assertEq(address(bytes20(answer)), address(uint160(uint256(word))));
    }
}
