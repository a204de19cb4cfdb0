// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {PaymentChannels} from "../../src/PaymentChannels.sol";
import {StakeSnapshots} from "../../src/StakeSnapshots.sol";
import {
    Attestation,
    ChannelTerms,
    Close,
    Evidence,
    SeatProof,
    TaskOrder,
    Voucher
} from "../../src/interfaces/ChannelTypes.sol";
import {IRandomnessBeacon} from "../../src/interfaces/IRandomnessBeacon.sol";
import {Policy, Role} from "../../src/interfaces/Types.sol";
import {Race} from "../../src/libraries/Race.sol";
import {BaseTest} from "./BaseTest.sol";

/// @dev Epochs and seeds as the test wants them.
contract BeaconStub is IRandomnessBeacon {
    uint256 public immutable genesis = block.timestamp - 10 * 300;
    mapping(uint256 epoch => bytes32) public seedOf;

    function currentEpoch() public view returns (uint256) {
        return (block.timestamp - genesis) / 300;
    }

    /// @dev The seed of the running epoch becomes known.
    function draw() external {
        uint256 epoch = currentEpoch();
        seedOf[epoch] = keccak256(abi.encode("seed", epoch));
    }

    function set(uint256 epoch, bytes32 seed) external {
        seedOf[epoch] = seed;
    }
}

/// @dev A contract account with one owner, who may change its mind.
contract WalletStub {
    address private immutable owner;
    bool public silent;

    constructor(address owner_) {
        owner = owner_;
    }

    receive() external payable {}

    function setSilent(bool silent_) external {
        silent = silent_;
    }

    function run(address target, uint256 value, bytes calldata data) external {
        (bool ok, bytes memory answer) = target.call{value: value}(data);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s, uint8 v) = (bytes32(signature[:32]), bytes32(signature[32:64]), uint8(signature[64]));
        return !silent && ecrecover(hash, v, r, s) == owner ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @title The channel lane on top of the whole system, and the messages of its parties
/// @dev Hashes are written out here a second time from docs/design/channel-lane.md.
abstract contract ChannelTest is BaseTest {
    uint256 internal constant CLOSING = 1 days;
    uint256 internal constant SETTLE = 10 minutes;
    uint256 internal constant ORDER_EPOCHS = 3;
    uint16 internal constant PROTOCOL_SHARE = 500;
    uint16 internal constant COORDINATOR_SHARE = 300;
    uint96 internal constant PRICE = 0.1 ether;
    uint256 internal constant DEPOSIT = 100 ether;
    bytes32 internal constant RESULT = keccak256("result");
    bytes internal constant ASKED = "input";

    BeaconStub internal beacon;
    StakeSnapshots internal snapshots;
    PaymentChannels internal channels;
    address internal settlementAt;

    address internal client;
    uint256 internal clientKey;
    address internal coordinator;
    uint256 internal coordinatorKey;
    ChannelTerms internal terms;
    bytes32 internal channel;
    uint32[] internal pool;

    function setUp() public virtual override {
        super.setUp();
        (client, clientKey) = makeAddrAndKey("client");
        (coordinator, coordinatorKey) = makeAddrAndKey("coordinator");
        vm.deal(client, 10_000 ether);
        vm.deal(coordinator, 10_000 ether);
        deployLane();
        addChannelPool(6);
        terms = openChannel(client, COORDINATOR_SHARE, bytes32(0), DEPOSIT);
        channel = channels.channelId(terms);
        advance();
    }

    // ---- deployment ----

    function settlementAddress() internal virtual returns (address) {
        return settlementAt = makeAddr("settlement");
    }

    /// @dev What a test wants to change about closing and settling, in seconds.
    function channelTimes() internal view virtual returns (uint256 closing, uint256 settling) {
        return (CLOSING, SETTLE);
    }

    function deployLane() internal {
        beacon = new BeaconStub();
        snapshots = StakeSnapshots(
            make("StakeSnapshots", abi.encode(address(beacon), address(ledger), address(tasks), address(registry)))
        );
        PaymentChannels.Neighbours memory neighbours = PaymentChannels.Neighbours({
            authority: address(manager),
            bridge: address(bridge),
            ledger: address(ledger),
            beacon: address(beacon),
            snapshots: address(snapshots),
            taskManager: address(tasks),
            settlement: settlementAddress(),
            genesis: beacon.genesis(),
            epochSeconds: EPOCH
        });
        (uint256 closing, uint256 settling) = channelTimes();
        channels = PaymentChannels(
            make("PaymentChannels", abi.encode(neighbours, closing, settling, ORDER_EPOCHS, PROTOCOL_SHARE))
        );
        vm.prank(governor);
        ledger.setChannels(address(channels));
    }

    /// @dev The next epoch of the beacon begins, and its seed becomes known.
    function advance() internal {
        skip(EPOCH - (vm.getBlockTimestamp() - beacon.genesis()) % EPOCH);
        beacon.draw();
    }

    function make(string memory name, bytes memory arguments) internal returns (address created) {
        bytes memory code = bytes.concat(creationCode(name), arguments);
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
            if iszero(created) {
                returndatacopy(mload(0x40), 0, returndatasize())
                revert(mload(0x40), returndatasize())
            }
        }
    }

    /// @dev Operators that serve the exact model and are recorded for the next epoch, as is the model.
    function addChannelPool(uint256 count) internal virtual {
        for (uint256 i; i < count; ++i) {
            Operator memory operator = addOperator(Role.Compute, (2 + i % 3) * COMPUTE_MIN);
            serve(operator, exactModel);
            pool.push(operator.account);
            snapshots.recordWeight(exactModel, operator.account);
        }
        snapshots.recordModel(exactModel);
    }

    function openChannel(address requester_, uint16 share, bytes32 salt, uint256 deposit)
        internal
        returns (ChannelTerms memory)
    {
        vm.prank(requester_);
        channels.open{value: deposit}(coordinator, share, salt);
        return ChannelTerms(requester_, coordinator, uint32(beacon.currentEpoch()), share, PROTOCOL_SHARE, salt);
    }

    // ---- messages ----

    function domain() internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ML Bridge"),
                keccak256("1"),
                block.chainid,
                address(channels)
            )
        );
    }

    function typed(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain(), structHash));
    }

    function signBy(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    function orderOf(uint32 sequence, uint8 seats) internal view returns (TaskOrder memory) {
        return orderFor(channel, sequence, seats);
    }

    /// @dev An order whose input holds all that the model needs; paramsDigest names the key of its stream.
    function asked(uint32 sequence, uint8 seats) internal view returns (TaskOrder memory order) {
        order = orderOf(sequence, seats);
        order.inputDigest = keccak256(ASKED);
        order.deadline += 240;
    }

    function orderFor(bytes32 channel_, uint32 sequence, uint8 seats) internal view returns (TaskOrder memory) {
        return TaskOrder({
            channel: channel_,
            sequence: sequence,
            epoch: uint32(beacon.currentEpoch()),
            modelId: exactModel,
            inputDigest: keccak256("input"),
            paramsDigest: keccak256("parameters"),
            seats: seats,
            policy: Policy.Exact,
            maxFee: PRICE,
            deadline: uint40(vm.getBlockTimestamp() + 60)
        });
    }

    function hashOf(TaskOrder memory order) internal view returns (bytes32) {
        return typed(
            keccak256(
                abi.encode(
                    keccak256(
                        "TaskOrder(bytes32 channel,uint32 sequence,uint32 epoch,bytes32 modelId,bytes32 inputDigest,bytes32 paramsDigest,uint8 seats,uint8 policy,uint96 maxFee,uint40 deadline)"
                    ),
                    order
                )
            )
        );
    }

    function attest(bytes32 order, uint32 account, bytes32 result, bytes32 root)
        internal
        view
        returns (Attestation memory attestation, bytes memory signature)
    {
        attestation = Attestation(order, account, result, saltOf(account), root);
        signature = signBy(nodeKeyOf(account), attestationHashOf(attestation));
    }

    function attestationHashOf(Attestation memory attestation) internal view returns (bytes32) {
        return typed(
            keccak256(
                abi.encode(
                    keccak256(
                        "Attestation(bytes32 order,uint32 account,bytes32 result,bytes32 salt,bytes32 commitments)"
                    ),
                    attestation
                )
            )
        );
    }

    function commitmentFor(bytes32 order, uint32 account, bytes32 result) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("ChannelCommitment(bytes32 order,uint32 account,bytes32 result,bytes32 salt)"),
                order,
                account,
                result,
                saltOf(account)
            )
        );
    }

    /// @dev addOperator names the node key of operator i; operators of a pool have ascending accounts.
    function nodeKeyOf(uint32 account) internal view returns (uint256) {
        for (uint256 i; i < operators.length; ++i) {
            if (operators[i].account == account) {
                return uint256(keccak256(bytes(string.concat("operator ", vm.toString(i), " node"))));
            }
        }
        revert("unknown account");
    }

    /// @dev The seats of an order: who arrives first, in the order of their accounts.
    function drawn(TaskOrder memory order) internal view virtual returns (uint32[] memory seated) {
        bytes32 draw_ = drawOf(order);
        seated = new uint32[](order.seats);
        uint256 found;
        for (uint256 i; i < pool.length; ++i) {
            uint256 ahead;
            uint64 weight = snapshots.weightAt(order.modelId, order.epoch, pool[i]);
            for (uint256 j; j < pool.length; ++j) {
                if (i == j) continue;
                uint64 other = snapshots.weightAt(order.modelId, order.epoch, pool[j]);
                if (Race.before(draw_, pool[j], other, pool[i], weight)) ++ahead;
            }
            if (ahead < order.seats) seated[found++] = pool[i];
        }
        require(found == order.seats, "a committee");
    }

    function drawOf(TaskOrder memory order) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("ChannelDraw(bytes32 seed,bytes32 channel,uint32 sequence)"),
                beacon.seedOf(order.epoch),
                order.channel,
                order.sequence
            )
        );
    }

    /// @dev Everybody attests RESULT but the seats of `silent`, who committed to it and say nothing.
    function proven(TaskOrder memory order, uint256 silent) internal view returns (Evidence memory) {
        return provenBy(terms, clientKey, order, drawn(order), silent);
    }

    function provenBy(
        ChannelTerms memory terms_,
        uint256 key,
        TaskOrder memory order,
        uint32[] memory accounts,
        uint256 silent
    ) internal view returns (Evidence memory evidence) {
        return provenOf(terms_, key, order, accounts, silent, RESULT);
    }

    function provenOf(
        ChannelTerms memory terms_,
        uint256 key,
        TaskOrder memory order,
        uint32[] memory accounts,
        uint256 silent,
        bytes32 result
    ) internal view returns (Evidence memory evidence) {
        bytes32 hash = hashOf(order);
        evidence.terms = terms_;
        evidence.order = order;
        evidence.orderSignature = signBy(key, hash);
        evidence.result = result;
        evidence.seats = new SeatProof[](accounts.length);
        bytes32[] memory set = new bytes32[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            set[i] = commitmentFor(hash, accounts[i], result);
        }
        bytes32 root = keccak256(abi.encodePacked(set));
        for (uint256 i; i < accounts.length; ++i) {
            SeatProof memory seat = evidence.seats[i];
            seat.account = accounts[i];
            if (silent >> i & 1 == 1) {
                seat.word = set[i];
                continue;
            }
            seat.word = saltOf(accounts[i]);
            (, seat.signature) = attest(hash, accounts[i], result, root);
        }
    }

    function signedVoucher(uint96 total, uint32 covered)
        internal
        view
        returns (Voucher memory voucher, bytes memory signature)
    {
        voucher = Voucher(channel, total, covered);
        signature = signBy(
            clientKey,
            typed(keccak256(abi.encode(keccak256("Voucher(bytes32 channel,uint96 total,uint32 covered)"), voucher)))
        );
    }

    function signedClose(uint256 key, uint96 total, uint32 covered)
        internal
        view
        returns (Close memory close, bytes memory signature)
    {
        close = Close(channel, total, covered);
        signature = signBy(
            key, typed(keccak256(abi.encode(keccak256("Close(bytes32 channel,uint96 total,uint32 covered)"), close)))
        );
    }
}
