// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, Evidence, TaskOrder} from "./ChannelTypes.sol";
import {IReviewer} from "./IReviewer.sol";

/// @title Orders on which seats disagreed, or that somebody audits, judged by a panel
/// @notice In the channel lane disagreement costs nothing, because whoever signs orders can look for a committee. A case
/// has a panel, drawn from later randomness and of none of the order's operators, run the order. Whoever signed another
/// result than the panel finds was wrong: the dissenter, the committee's majority, or both. An audit is the same where
/// nobody dissented: then nobody but the committee can have been wrong. Where seats disagreed so that there was no verdict,
/// what they attested is enough.
interface IDissentCases is IReviewer {
    /// @notice Where a case stands.
    enum Status {
        None,
        Judging, // the panel is at work
        Judged, // it agreed on a result; what the order's digest of that is must still be said
        Ruled, // whoever attested another result may be punished
        Undecided, // it could not be filled, or did not agree
        Closed // ruled, and the bond was dealt with
    }

    /// @param opener who posted the bond
    /// @param bond MLB, 18 decimals
    /// @param status where it stands
    /// @param model index of the model in the registry
    /// @param confidence basis points of the panel's seats that agreed
    /// @param until unix seconds from which a case that took too little is closed against the bond
    /// @param taken MLB that the case's slashes took
    /// @param split it was opened by `openSplit`
    /// @param reviewId id of the review by judges
    /// @param winner digest that the panel agreed on, as the review counts
    /// @param ballot hash of who said what
    /// @param truth the same result, as the order counts
    /// @param record hash of what an appeal says again: the input, and who could not sit (`Hashing.asked`)
    struct Case {
        address opener;
        uint96 bond;
        Status status;
        uint32 model;
        uint16 confidence;
        uint40 until;
        uint128 taken;
        bool split;
        bytes32 reviewId;
        bytes32 winner;
        bytes32 ballot;
        bytes32 truth;
        bytes32 record;
    }

    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice Only the TaskManager contract may call this.
    error OnlyTaskManager();
    /// @notice There is a case about the order `order` already.
    /// @param order hash of the order, or the order itself
    error CaseExists(bytes32 order);
    /// @notice The case about the order `order` cannot take this step now (state `current`).
    /// @param order hash of the order, or the order itself
    /// @param current what holds now
    error WrongDissentStatus(bytes32 order, Status current);
    /// @notice No dissent of account `account` from this verdict on the order `order` is on record.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotOnRecord(bytes32 order, uint32 account);
    /// @notice The order `order` is judged no more; a case could be opened until `until`.
    /// @param order hash of the order, or the order itself
    /// @param until unix seconds at which it ends
    error TooLateToJudge(bytes32 order, uint256 until);
    /// @notice Results of the model `modelId` are not compared by digest.
    /// @param modelId id of the model
    error NotByDigest(bytes32 modelId);
    /// @notice `eligible` accounts could judge, but `needed` are needed.
    /// @param eligible accounts in the model's pools
    /// @param needed seats, and accounts that may not sit
    error TooFewJudges(uint256 eligible, uint256 needed);
    /// @notice The content hashes to `given`, but `expected` is on record.
    /// @param expected what was to be given
    /// @param given what was given
    error ContentMismatch(bytes32 expected, bytes32 given);
    /// @notice The attestation is for the order `actual`, not for `expected`.
    /// @param expected order of the case
    /// @param actual order that was attested
    error AnotherOrder(bytes32 expected, bytes32 actual);
    /// @notice These are not attestations of several seats of the order `order`, each once by ascending account, with
    /// different results.
    /// @param order hash of the order, or the order itself
    error NotSplit(bytes32 order);
    /// @notice The account `account` attested what the panel found for the order `order`.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotWrong(bytes32 order, uint32 account);
    /// @notice The attestation of account `account` for the order `order` is not signed by a key of its operator.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error BadSeatSignature(bytes32 order, uint32 account);
    /// @notice The account `account` was punished for the order `order` already.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error AlreadyProvenFault(bytes32 order, uint32 account);
    /// @notice This is possible from `readyAt` on.
    /// @param readyAt unix seconds from which it is possible
    error TooEarly(uint256 readyAt);

    /// @notice A panel was called.
    /// @param order hash of the order, or the order itself
    /// @param reviewId id of the review by judges
    /// @param opener who posted the bond
    /// @param dissenter whose dissent is on record; zero for an audit or a split
    /// @param bond MLB, 18 decimals
    /// @param excluded accounts whose operators may not sit
    event DissentCaseOpened(
        bytes32 indexed order,
        bytes32 indexed reviewId,
        address indexed opener,
        uint32 dissenter,
        uint256 bond,
        uint32[] excluded
    );
    /// @notice What seats attested that disagreed: with it anybody may have who was wrong condemned.
    /// @param order hash of the order, or the order itself
    /// @param attestations by ascending account
    /// @param signatures of them
    event SplitShown(bytes32 indexed order, Attestation[] attestations, bytes[] signatures);
    /// @notice The panel agreed, or did not.
    /// @param order hash of the order, or the order itself
    /// @param winner digest that it agreed on, as the review counts; zero for none
    event DissentJudged(bytes32 indexed order, bytes32 winner);
    /// @notice What the order's result should have been.
    /// @param order hash of the order, or the order itself
    /// @param truth digest
    /// @param confidence basis points of the panel's seats that agreed
    event DissentRuled(bytes32 indexed order, bytes32 truth, uint256 confidence);
    /// @notice An account was punished for what it attested.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param result digest that it attested
    /// @param amount MLB taken
    event AttestedWrongly(bytes32 indexed order, uint32 indexed account, bytes32 result, uint256 amount);
    /// @notice The bond of a case was dealt with.
    /// @param order hash of the order, or the order itself
    /// @param returned MLB to the opener
    /// @param toReserve MLB to the model's dispute reserve
    /// @param burned MLB burned
    event DissentCaseClosed(bytes32 indexed order, uint256 returned, uint256 toReserve, uint256 burned);

    /// @notice Have a panel judge an order from whose verdict a seat dissented, or audit any order. Anyone, with the bond in
    /// MLB by allowance; once an order, and once more where a split was closed without a ruling.
    /// @param evidence of the verdict
    /// @param dissenter a seat whose other result `Dissents` holds; zero for an audit
    /// @param inputData 0x00 || payload of the order's input
    /// @dev Reverts with the errors of PaymentChannels.check and TaskManager.openReview, CaseExists, NotOnRecord,
    /// TooLateToJudge, NotByDigest, TooFewJudges, ContentMismatch.
    /// @return reviewId task id of the review
    function open(Evidence calldata evidence, uint32 dissenter, bytes calldata inputData)
        external
        returns (bytes32 reviewId);
    /// @notice Have a panel judge an order whose seats disagreed, whether or not that left a verdict. Anyone, with the bond in
    /// MLB by allowance; once an order. Operators of the seats that are shown may not sit.
    /// @param ordered the order
    /// @param attestations of two seats or more, by ascending account, not all with the same result
    /// @param signatures of them, each by a node key of the account's operator
    /// @param inputData 0x00 || payload of the order's input
    /// @dev Reverts with the errors of TaskManager.openReview, NotSplit, AnotherOrder, BadSeatSignature, CaseExists,
    /// TooLateToJudge, NotByDigest, TooFewJudges, ContentMismatch.
    /// @return reviewId task id of the review
    function openSplit(
        TaskOrder calldata ordered,
        Attestation[] calldata attestations,
        bytes[] calldata signatures,
        bytes calldata inputData
    ) external returns (bytes32 reviewId);
    /// @notice Say what the panel found in the terms of the order. Anyone; all of it is in the review's events.
    /// @param order hash of the order, or the order itself
    /// @param root keccak256 of the payload that the panel agreed on
    /// @param accounts of the panel, by seat
    /// @param values that they revealed, by seat
    /// @param revealed bit i: seat i revealed
    function rule(bytes32 order, bytes32 root, uint32[] calldata accounts, bytes32[] calldata values, uint256 revealed)
        external;
    /// @notice Punish an account for another result than the panel's: 10-50 % by how many of the panel agreed. Anyone.
    /// @param attestation of the order's seat, whichever side it was on
    /// @param signature by a node key of the account's operator
    function condemn(Attestation calldata attestation, bytes calldata signature) external;
    /// @notice The same for a dissent that `Dissents` holds; its signature was checked there.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function condemnReported(bytes32 order, uint32 account) external;
    /// @notice Deal with the bond. It is returned once the case's slashes took as much, because half of that goes to the
    /// reserve that paid the panel. Otherwise half of it pays for the panel, and the other half is returned if the panel was
    /// undecided, or burned a week after it agreed. Anyone.
    /// @param order hash of the order, or the order itself
    function conclude(bytes32 order) external;

    /// @notice The case about an order; empty if there is none.
    /// @param order hash of the order, or the order itself
    function cases(bytes32 order) external view returns (Case memory);
    /// @notice The result for which an account was punished; zero if it was not.
    /// @param order hash of the order, or the order itself
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function condemnedFor(bytes32 order, uint32 account) external view returns (bytes32);
    /// @notice MLB that opening a case costs now: twice what its panel is paid.
    function bondNow() external view returns (uint256);
}
