// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Outcome} from "./ChannelTypes.sol";
import {Fault} from "./Types.sol";

/// @title What the ledger does for the channel lane
/// @notice Deposits of channels lie in MLBridge with all other wei. The ledger counts what came in for them, and never
/// credits more on the word of PaymentChannels: whatever was wrong there, the direct lane's money is out of its reach.
interface IChannelLedger {
    /// @notice Only the MLBridge contract may call this.
    error OnlyBridge();
    /// @notice Only the PaymentChannels contract may call this.
    error OnlyChannels();
    /// @notice PaymentChannels was named already: `channels`.
    /// @param channels the payment channels
    error ChannelsSet(address channels);
    /// @notice `amount` are more than the `funds` that channels hold.
    /// @param amount wei
    /// @param funds wei that the lane holds
    error LaneFundsExceeded(uint256 amount, uint256 funds);
    /// @notice The fault `fault` is not punished by the channel lane.
    /// @param fault why stake is taken
    error LaneFault(Fault fault);

    /// @notice The payment channels were named, for ever.
    /// @param channels the payment channels
    event ChannelsNamed(address channels);
    /// @notice A channel's money came in.
    /// @param amount wei
    /// @param funds wei that the lane holds
    event LaneFunded(uint256 amount, uint256 funds);
    /// @notice A channel's money became somebody's credit.
    /// @param channel id of the channel
    /// @param to who is paid
    /// @param amount wei
    /// @param protocolFee wei for the protocol
    event LaneCredited(bytes32 indexed channel, address indexed to, uint256 amount, uint256 protocolFee);
    /// @notice A seat of a batch was paid.
    /// @param batch id of the batch: hash of its header
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param amount wei
    event LaneSeatCredited(bytes32 indexed batch, uint32 indexed account, uint256 amount);

    /// @notice PaymentChannels; zero until it was named.
    function channels() external view returns (address);
    /// @notice Wei paid in for channels and not yet credited to anybody.
    function laneFunds() external view returns (uint256);

    /// @notice Name PaymentChannels, once and for all. Governance only.
    /// @dev Reverts with ChannelsSet the second time, BadParameter for the zero address.
    /// @param channels_ the payment channels
    function setChannels(address channels_) external;

    /// @notice Count wei that MLBridge has just received for channels. MLBridge only.
    /// @param from who paid it in; must be PaymentChannels
    /// @dev Reverts with OnlyBridge, OnlyChannels.
    /// @param amount wei
    function fundLane(address from, uint256 amount) external;

    // ---- PaymentChannels only; all revert with OnlyChannels and LaneFundsExceeded ----

    /// @notice Credit the seats and the model's provider of one order; the winners' reputation rises.
    /// @param outcome who attested the result and who is paid what
    function settleLane(Outcome calldata outcome) external;
    /// @notice Credit an address, and the protocol.
    /// @param source channel or batch that it comes from
    /// @param to who is paid
    /// @param amount wei
    /// @param protocolFee wei for the protocol
    function creditLane(bytes32 source, address to, uint256 amount, uint256 protocolFee) external;
    /// @notice Credit an account's seat fees of a whole batch; its reputation rises as after one task.
    /// @param source batch or order that it is for
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param amount wei
    function creditSeat(bytes32 source, uint32 account, uint96 amount) external;
    /// @notice Punish a proven fault: Malicious (two results for one order, 100 %) or Incorrect (an attestation without
    /// a seat, 10 %). The reporter gets at most 10 %.
    /// @dev Reverts with LaneFault for any other fault.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param order hash of the order, or the order itself
    /// @param fault why stake is taken
    /// @param reporter who proved it; zero for nobody
    /// @return amount MLB taken
    function slashLane(uint32 account, bytes32 order, Fault fault, address reporter) external returns (uint256 amount);
}
