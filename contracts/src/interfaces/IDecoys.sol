// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IReviewer} from "./IReviewer.sol";

/// @title Cases with planted wrong results
/// @notice Three authors each bring a result for an input; a panel votes on them without knowing which were meant to be
/// wrong. An author learns from its next secret and a later block hash that it is a decoy; it then brings the result of
/// a bent input, so that decoys agree with each other and can be the most. After the vote authors open their secrets: a
/// decoy is exempt, and judges that accepted it, or had no opinion on it, are fined. No verdict of a task depends on a
/// case.
interface IDecoys is IReviewer {
    enum Phase {
        None,
        Armed, // waits for the block whose hash draws the authors
        Submitting, // authors bring results
        Judging, // a panel votes
        Opening, // authors open their secrets
        Ended
    }

    /// @param anchor hash of the next secret; each secret is the hash of the one after it
    /// @param busy whether it is the author of a case that runs: a secret serves one case
    /// @param index in the model's list of authors, from 1; 0: not listed
    struct Author {
        bytes32 anchor;
        bool busy;
        uint32 index;
    }

    /// @param submitted bit i: author i brought a result. Likewise for the other masks
    /// @param opened authors that opened their secret
    /// @param decoys of those that opened
    /// @param accepted candidates that the panel accepted
    /// @param rejected candidates that the panel rejected
    /// @param fee MLB that was set aside for each judge; also what each careless vote costs
    /// @param until block number while armed, unix seconds after
    struct Case {
        Phase phase;
        uint8 submitted;
        uint8 opened;
        uint8 decoys;
        uint8 accepted;
        uint8 rejected;
        uint32 model;
        uint64 until;
        uint96 fee;
        bytes32 modelId;
        bytes32 inputHash;
        bytes32 seed;
        bytes32 votes; // hash of who voted how
        uint32[3] authors;
        bytes32[3] roots;
    }

    error ZeroAddress();
    error OnlyTaskManager();
    error NotAuthor(uint32 account, address caller);
    error NotVerifier(uint32 account);
    error AuthorBusy(uint32 account);
    error ZeroAnchor();
    error DrawPending(uint256 cases);
    error TooSoon(uint256 earliest);
    /// @dev Not tagged bytes, or a pointer.
    error BadInput();
    error WrongPhase(uint256 caseId, Phase current);
    error NotYet(uint256 until);
    error TooLate(uint256 until);
    error BadIndex(uint256 index);
    error AlreadyDone(uint256 index);
    error WrongSecret(bytes32 anchor);
    error ContentDiffers(bytes32 expected, bytes32 given);
    error BadTimes(uint32 interval, uint32 window);

    event AuthorListed(bytes32 indexed modelId, uint32 indexed account, bytes32 anchor);
    event AuthorRetired(bytes32 indexed modelId, uint32 indexed account);
    event CaseOpened(uint256 indexed caseId, bytes32 indexed modelId, bytes inputData, uint256 randomnessBlock);
    event AuthorsDrawn(uint256 indexed caseId, uint32[3] authors, bytes32 seed, uint256 until);
    event CandidateBrought(uint256 indexed caseId, uint256 index, bytes32 root, bytes result);
    event PanelCalled(uint256 indexed caseId, bytes32 indexed reviewId);
    event PanelVoted(uint256 indexed caseId, uint8 accepted, uint8 rejected, uint256 until);
    event SecretOpened(uint256 indexed caseId, uint256 index, bytes32 secret, bool decoy);
    event CaseEnded(uint256 indexed caseId, uint256 careless);
    event CaseVoid(uint256 indexed caseId);
    event AuthorPaid(uint32 indexed account, uint256 amount);
    event TimesChanged(uint32 interval, uint32 window);

    /// @notice Become an author of a model, or begin a new chain. The operator of a Verifier account that serves the model,
    /// while none of its draws is pending: who knows a seed must not choose a secret.
    /// @param anchor keccak256(abi.encode(first secret)); use it as often as the chain is long
    /// @dev Reverts with NotAuthor, NotVerifier, ZeroAnchor, DrawPending or AuthorBusy.
    function enlist(bytes32 modelId, uint32 account, bytes32 anchor) external;
    /// @notice Leave a model's list; not while a case runs or a draw is pending. Whoever stops serving should leave first.
    function retire(bytes32 modelId, uint32 account) external;
    /// @notice Begin a case about a model, at most one in an interval. Anyone.
    /// @param inputData inline, so that nobody can withhold it
    function openCase(bytes32 modelId, bytes calldata inputData) external returns (uint256 caseId);
    /// @notice Draw the authors, once the block is known. Anyone. Void if the hash is lost or authors are too few.
    function drawAuthors(uint256 caseId) external;
    /// @notice Bring a result, as author `index`; inline.
    function bring(uint256 caseId, uint256 index, bytes calldata result) external;
    /// @notice Have a panel vote, once all authors brought a result or their time is over. Anyone. Void if one brought
    /// nothing, or if no panel was called in the window after that.
    /// @param results of those that did, in their order
    function callPanel(uint256 caseId, bytes calldata inputData, bytes[] calldata results) external;
    /// @notice Open the secret of author `index`; anyone who knows it.
    function openSecret(uint256 caseId, uint256 index, bytes32 secret) external;
    /// @notice Fine the careless and pay the authors, once all opened or their time is over. Anyone.
    function settle(uint256 caseId, uint32[] calldata accounts, bytes32[] calldata values, uint256 revealed) external;
    /// @notice Governance. Interval between cases of a model, and time of each phase: 1 minute to 30 days.
    function setTimes(uint32 interval, uint32 window) external;

    /// @notice A case; empty if there is none.
    function cases(uint256 caseId) external view returns (Case memory);
    /// @notice An author of a model; empty unless listed.
    function authors(bytes32 modelId, uint32 account) external view returns (Author memory);
    /// @notice Listed authors of a model.
    function authorCount(bytes32 modelId) external view returns (uint256);
}
