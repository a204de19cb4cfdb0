// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {Attestation, ChannelTerms, Close, TaskOrder, Voucher} from "../src/interfaces/ChannelTypes.sol";
import {Policy} from "../src/interfaces/Types.sol";
import {ChannelHashing} from "../src/libraries/ChannelHashing.sol";
import {Race} from "../src/libraries/Race.sol";
import {Test} from "./utils/Test.sol";

/// @title Solidity against the examples that mlbridge.protocol made
contract ChannelHashingTest is Test {
    string private json;
    bytes32 private domain;

    function testMessages() public {
        json = vm.readFile("test/vectors/channels.json");
        domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ML Bridge"),
                keccak256("1"),
                vm.parseJsonUint(json, ".chainId"),
                abi.decode(vm.parseJson(json, ".contract"), (address))
            )
        );
        uint256 count = vm.parseJsonUint(json, ".count");
        assertGt(count, 4, "examples");
        for (uint256 i; i < count; ++i) {
            _checkMessage(string.concat(".cases[", vm.toString(i), "]"));
        }
    }

    function _checkMessage(string memory place) private view {
        ChannelTerms memory terms = ChannelTerms({
            requester: abi.decode(vm.parseJson(json, string.concat(place, ".requester")), (address)),
            coordinator: abi.decode(vm.parseJson(json, string.concat(place, ".coordinator")), (address)),
            openedIn: uint32(_number(place, ".openedIn")),
            coordinatorShare: uint16(_number(place, ".coordinatorShare")),
            protocolShare: uint16(_number(place, ".protocolShare")),
            salt: _word(place, ".salt")
        });
        assertEq(ChannelHashing.details(terms), _word(place, ".details"), "details");
        assertEq(ChannelHashing.channel(terms), _word(place, ".channel"), "channel");
        assertEq(this.channelIn(terms), _word(place, ".channel"), "channel from calldata");
        TaskOrder memory order = TaskOrder({
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
        assertEq(_typed(this.hashOrder(order)), _word(place, ".order"), "order");
        _checkAttestations(place);
        Voucher memory voucher = Voucher(order.channel, order.maxFee, order.sequence);
        assertEq(_typed(this.hashVoucher(voucher)), _word(place, ".voucher"), "voucher");
        Close memory close = Close(order.channel, order.maxFee, order.sequence);
        assertEq(_typed(this.hashClose(close)), _word(place, ".close"), "close");
        assertEq(
            ChannelHashing.draw(_word(place, ".seed"), order.channel, order.sequence), _word(place, ".draw"), "draw"
        );
    }

    function _checkAttestations(string memory place) private view {
        uint256[] memory accounts = vm.parseJsonUintArray(json, string.concat(place, ".accounts"));
        bytes32[] memory salts = abi.decode(vm.parseJson(json, string.concat(place, ".salts")), (bytes32[]));
        bytes32[] memory set = abi.decode(vm.parseJson(json, string.concat(place, ".commitments")), (bytes32[]));
        bytes32 order_ = _word(place, ".order");
        bytes32 result = _word(place, ".result");
        for (uint256 i; i < accounts.length; ++i) {
            assertEq(ChannelHashing.commitment(order_, uint32(accounts[i]), result, salts[i]), set[i], "commitment");
        }
        bytes32 root = ChannelHashing.commitments(set);
        assertEq(root, _word(place, ".root"), "root");
        Attestation memory attestation = Attestation(order_, uint32(accounts[0]), result, salts[0], root);
        assertEq(_typed(ChannelHashing.attestation(attestation)), _word(place, ".attestation"), "attestation");
    }

    function testRaces() public {
        json = vm.readFile("test/vectors/race.json");
        uint256 count = vm.parseJsonUint(json, ".count");
        assertGt(count, 9, "examples");
        for (uint256 i; i < count; ++i) {
            _checkRace(string.concat(".cases[", vm.toString(i), "]"));
        }
    }

    /// @dev The committee is recounted seat by seat, as the chain does it.
    function _checkRace(string memory place) private view {
        bytes32 draw = _word(place, ".draw");
        uint256[] memory accounts = vm.parseJsonUintArray(json, string.concat(place, ".accounts"));
        uint256[] memory weights = vm.parseJsonUintArray(json, string.concat(place, ".weights"));
        uint256[] memory distances = vm.parseJsonUintArray(json, string.concat(place, ".distances"));
        uint256[] memory committee = vm.parseJsonUintArray(json, string.concat(place, ".committee"));
        uint256 seats = _number(place, ".seats");
        uint256 found;
        for (uint256 i; i < accounts.length; ++i) {
            assertEq(Race.distance(draw, uint32(accounts[i])), distances[i], "distance");
            uint256 ahead;
            for (uint256 j; j < accounts.length; ++j) {
                if (i == j) continue;
                if (Race.before(draw, uint32(accounts[j]), uint64(weights[j]), uint32(accounts[i]), uint64(weights[i])))
                {
                    ++ahead;
                }
            }
            if (weights[i] != 0 && ahead < seats) assertEq(accounts[i], committee[found++], "seat");
        }
        assertEq(found, committee.length, "seats");
    }

    function testFuzz_ArrivalIsAnOrder(bytes32 draw, uint32 a, uint64 weightA, uint32 b, uint64 weightB) public pure {
        weightA = uint64(bound(weightA, 1, type(uint48).max));
        weightB = uint64(bound(weightB, 1, type(uint48).max));
        if (a == b) return;
        assertTrue(
            Race.before(draw, a, weightA, b, weightB) != Race.before(draw, b, weightB, a, weightA), "one is first"
        );
        assertFalse(Race.before(draw, a, 0, b, weightB), "no weight, no arrival");
        assertTrue(Race.before(draw, a, weightA, b, 0), "before who never arrives");
        uint256 most = 256 << 48;
        assertLe(Race.distance(draw, a), most, "longest");
    }

    function testFuzz_MoreWeightNeverArrivesLater(bytes32 draw, uint32 a, uint64 weight, uint64 more, uint32 b)
        public
        pure
    {
        weight = uint64(bound(weight, 1, type(uint48).max - 1));
        more = uint64(bound(more, weight, type(uint48).max));
        if (a == b || !Race.before(draw, a, weight, b, 1_000)) return;
        assertTrue(Race.before(draw, a, more, b, 1_000), "heavier and later");
    }

    // ---- calldata, and helpers ----

    function channelIn(ChannelTerms calldata terms) external pure returns (bytes32) {
        return ChannelHashing.channelIn(terms);
    }

    function hashOrder(TaskOrder calldata order) external pure returns (bytes32) {
        return ChannelHashing.order(order);
    }

    function hashVoucher(Voucher calldata voucher) external pure returns (bytes32) {
        return ChannelHashing.voucher(voucher);
    }

    function hashClose(Close calldata close) external pure returns (bytes32) {
        return ChannelHashing.close(close);
    }

    function _typed(bytes32 structHash) private view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domain, structHash);
    }

    function _word(string memory place, string memory key) private view returns (bytes32) {
        return abi.decode(vm.parseJson(json, string.concat(place, key)), (bytes32));
    }

    function _number(string memory place, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(place, key));
    }
}
