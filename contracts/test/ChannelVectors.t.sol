// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {PaymentChannels} from "../src/PaymentChannels.sol";
import {Attestation, Close, TaskOrder, Voucher} from "../src/interfaces/ChannelTypes.sol";
import {Policy} from "../src/interfaces/Types.sol";
import {Signers} from "../src/libraries/Signers.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

/// @title The deployed PaymentChannels against the messages that mlbridge.protocol signed
/// @dev The examples name the contract's address, so the deployed code is put there.
contract ChannelVectorsTest is ChannelTest {
    string private json;
    PaymentChannels private named;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("test/vectors/channels.json");
        address there = abi.decode(vm.parseJson(json, ".contract"), (address));
        vm.chainId(vm.parseJsonUint(json, ".chainId"));
        vm.etch(there, address(channels).code);
        named = PaymentChannels(there);
    }

    function testTheContractHashesWhatPythonSigned() public view {
        for (uint256 i; i < vm.parseJsonUint(json, ".count"); ++i) {
            string memory place = string.concat(".cases[", vm.toString(i), "]");
            uint256[] memory accounts = vm.parseJsonUintArray(json, string.concat(place, ".accounts"));
            bytes32[] memory salts = abi.decode(vm.parseJson(json, string.concat(place, ".salts")), (bytes32[]));
            bytes32 channel_ = _word(place, ".channel");
            (uint96 fee, uint32 sequence) = (uint96(_number(place, ".maxFee")), uint32(_number(place, ".sequence")));

            bytes32 hash = named.orderHash(_order(place));
            assertEq(hash, _word(place, ".order"), "order");
            _checkSigned(place, "order", hash, "requester");

            Attestation memory seat =
                Attestation(hash, uint32(accounts[0]), _word(place, ".result"), salts[0], _word(place, ".root"));
            hash = named.attestationHash(seat);
            assertEq(hash, _word(place, ".attestation"), "attestation");
            _checkSigned(place, "attestation", hash, "node");

            _checkSigned(place, "voucher", named.voucherHash(Voucher(channel_, fee, sequence)), "requester");
            _checkSigned(place, "close", named.closeHash(Close(channel_, fee, sequence)), "requester");
        }
    }

    /// @dev The chain never asks for a commitment message; wallets and nodes hash it as the others.
    function testCommitmentMessages() public view {
        for (uint256 i; i < vm.parseJsonUint(json, ".count"); ++i) {
            string memory place = string.concat(".cases[", vm.toString(i), "]");
            uint256[] memory accounts = vm.parseJsonUintArray(json, string.concat(place, ".accounts"));
            bytes32[] memory set = abi.decode(vm.parseJson(json, string.concat(place, ".commitments")), (bytes32[]));
            bytes32 struct_ = keccak256(
                abi.encode(
                    keccak256("Commitment(bytes32 order,uint32 account,bytes32 word)"),
                    _word(place, ".order"),
                    accounts[0],
                    set[0]
                )
            );
            bytes32 domain_ = keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256("ML Bridge"),
                    keccak256("1"),
                    block.chainid,
                    address(named)
                )
            );
            bytes32 hash = keccak256(abi.encodePacked(hex"1901", domain_, struct_));
            assertEq(hash, _word(place, ".commitmentMessage"), "commitment");
            _checkSigned(place, "commitment", hash, "node");
        }
    }

    // ---- helpers ----

    /// @dev The contracts' own check accepts the signature, and forge's signer makes the same one.
    function _checkSigned(string memory place, string memory message, bytes32 hash, string memory who) private view {
        bytes memory signature = vm.parseJsonBytes(json, string.concat(place, ".signatures.", message));
        address signer = abi.decode(vm.parseJson(json, string.concat(place, ".", who, "KeyAddress")), (address));
        assertTrue(this.keySigned(signer, hash, signature), message);
        uint256 key = uint256(_word(place, string.concat(".", who, "Key")));
        assertEq(keccak256(signBy(key, hash)), keccak256(signature), message);
    }

    function keySigned(address signer, bytes32 hash, bytes calldata signature) external pure returns (bool) {
        return Signers.keySigned(signer, hash, signature);
    }

    function _order(string memory place) private view returns (TaskOrder memory) {
        return TaskOrder({
            channel: _word(place, ".channel"),
            sequence: uint32(_number(place, ".sequence")),
            epoch: uint32(_number(place, ".epoch")),
            modelId: _word(place, ".modelId"),
            inputDigest: _word(place, ".inputDigest"),
            paramsDigest: _word(place, ".paramsDigest"),
            seats: uint8(_number(place, ".seats")),
            policy: Policy(_number(place, ".policy")),
            maxFee: uint96(_number(place, ".maxFee")),
            deadline: uint40(_number(place, ".deadline"))
        });
    }

    function _word(string memory place, string memory key) private view returns (bytes32) {
        return abi.decode(vm.parseJson(json, string.concat(place, key)), (bytes32));
    }

    function _number(string memory place, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(place, key));
    }
}
