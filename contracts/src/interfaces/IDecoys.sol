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
    /// @notice Where a case stands.
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
    /// @param fee MLB that was set aside for each judge; a careless vote costs five of it
    /// @param until block number while armed, unix seconds after
    /// @param model index of the model in the registry
    /// @param modelId id of the model
    /// @param inputHash hash of the input's bytes
    /// @param seed what the draw follows from
    /// @param votes hash of who voted how
    /// @param phase where the case stands
    /// @param authors authors of the case
    /// @param roots what the authors committed to
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
        bytes32 votes;
        uint32[3] authors;
        bytes32[3] roots;
    }

    /// @notice An address argument is the zero address.
    error ZeroAddress();
    /// @notice Only the TaskManager contract may call this.
    error OnlyTaskManager();
    /// @notice `caller` is not the operator of account `account`.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param caller who called
    error NotAuthor(uint32 account, address caller);
    /// @notice The account `account` is no verifier with stake that serves the model and is on its list.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error NotVerifier(uint32 account);
    /// @notice The account `account` is the author of a case that runs.
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    error AuthorBusy(uint32 account);
    /// @notice A chain of secrets cannot begin with zero.
    error ZeroAnchor();
    /// @notice `cases` cases wait for their authors' draw.
    /// @param cases number of cases
    error DrawPending(uint256 cases);
    /// @notice The next case of this model may be opened at `earliest`.
    /// @param earliest the earliest that is allowed
    error TooSoon(uint256 earliest);
    /// @dev Not tagged bytes, or a pointer.
    error BadInput();
    /// @notice The case `caseId` cannot take this step now (phase `current`).
    /// @param current what holds now
    /// @param caseId id of the case
    error WrongPhase(uint256 caseId, Phase current);
    /// @notice This is possible after `until` (block number or unix time).
    /// @param until unix seconds at which it ends
    error NotYet(uint256 until);
    /// @notice This was possible until `until`.
    /// @param until unix seconds at which it ends
    error TooLate(uint256 until);
    /// @notice There is no author or candidate `index`.
    /// @param index position, counted as the function says
    error BadIndex(uint256 index);
    /// @notice Author `index` has done this already.
    /// @param index position, counted as the function says
    error AlreadyDone(uint256 index);
    /// @notice The secret does not hash to the author's anchor `anchor`.
    /// @param anchor commitment to the secret
    error WrongSecret(bytes32 anchor);
    /// @notice The content hashes to `given`, but `expected` is on record.
    /// @param expected what was to be given
    /// @param given what was given
    error ContentDiffers(bytes32 expected, bytes32 given);
    /// @notice An interval of `interval` s or a window of `window` s is not allowed.
    /// @param window bit i: sequence floor + i was settled by itself
    /// @param interval seconds between two cases
    error BadTimes(uint32 interval, uint32 window);

    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param anchor commitment to the secret
    event AuthorListed(bytes32 indexed modelId, uint32 indexed account, bytes32 anchor);
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    event AuthorRetired(bytes32 indexed modelId, uint32 indexed account);
    /// @param modelId id of the model
    /// @param inputData 0x00 || payload, or 0x01 || payload hash || CID
    /// @param randomnessBlock block whose hash the draw follows from
    /// @param caseId id of the case
    event CaseOpened(uint256 indexed caseId, bytes32 indexed modelId, bytes inputData, uint256 randomnessBlock);
    /// @param seed what the draw follows from
    /// @param until unix seconds at which it ends
    /// @param caseId id of the case
    /// @param authors authors of the case
    event AuthorsDrawn(uint256 indexed caseId, uint32[3] authors, bytes32 seed, uint256 until);
    /// @param index position, counted as the function says
    /// @param root root word
    /// @param result digest of the result
    /// @param caseId id of the case
    event CandidateBrought(uint256 indexed caseId, uint256 index, bytes32 root, bytes result);
    /// @notice Judges were called to a case.
    /// @param caseId id of the case
    /// @param reviewId id of the review by judges
    event PanelCalled(uint256 indexed caseId, bytes32 indexed reviewId);
    /// @param until unix seconds at which it ends
    /// @param caseId id of the case
    /// @param accepted candidates that were accepted
    /// @param rejected candidates that were rejected
    event PanelVoted(uint256 indexed caseId, uint8 accepted, uint8 rejected, uint256 until);
    /// @param index position, counted as the function says
    /// @param caseId id of the case
    /// @param secret what opens the commitment
    /// @param decoy the candidate that is known to be wrong
    event SecretOpened(uint256 indexed caseId, uint256 index, bytes32 secret, bool decoy);
    /// @notice A case ended and everybody was settled.
    /// @param caseId id of the case
    /// @param careless who accepted what is wrong
    event CaseEnded(uint256 indexed caseId, uint256 careless);
    /// @notice A case came to nothing.
    /// @param caseId id of the case
    event CaseVoid(uint256 indexed caseId);
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    /// @param amount wei
    event AuthorPaid(uint32 indexed account, uint256 amount);
    /// @param window bit i: sequence floor + i was settled by itself
    /// @param interval seconds between two cases
    event TimesChanged(uint32 interval, uint32 window);

    /// @notice Become an author of a model, or begin a new chain. The operator of a Verifier account that serves the model,
    /// while none of its draws is pending: who knows a seed must not choose a secret.
    /// @param anchor keccak256(abi.encode(first secret)); use it as often as the chain is long
    /// @dev Reverts with NotAuthor, NotVerifier, ZeroAnchor, DrawPending or AuthorBusy.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function enlist(bytes32 modelId, uint32 account, bytes32 anchor) external;
    /// @notice Leave a model's list; not while a case runs or a draw is pending. Whoever stops serving should leave first.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function retire(bytes32 modelId, uint32 account) external;
    /// @notice Begin a case about a model, at most one in an interval. Anyone.
    /// @param inputData inline, so that nobody can withhold it
    /// @param modelId id of the model
    /// @return caseId id of the case
    function openCase(bytes32 modelId, bytes calldata inputData) external returns (uint256 caseId);
    /// @notice Draw the authors, once the block is known. Anyone. Void if the hash is lost or authors are too few.
    /// @param caseId id of the case
    function drawAuthors(uint256 caseId) external;
    /// @notice Bring a result, as author `index`; inline.
    /// @param index position, counted as the function says
    /// @param result digest of the result
    /// @param caseId id of the case
    function bring(uint256 caseId, uint256 index, bytes calldata result) external;
    /// @notice Have a panel vote, once all authors brought a result or their time is over. Anyone. Void if one brought
    /// nothing, or if no panel was called in the window after that.
    /// @param results of those that did, in their order
    /// @param inputData 0x00 || payload, or 0x01 || payload hash || CID
    /// @param caseId id of the case
    function callPanel(uint256 caseId, bytes calldata inputData, bytes[] calldata results) external;
    /// @notice Open the secret of author `index`; anyone who knows it.
    /// @param index position, counted as the function says
    /// @param caseId id of the case
    /// @param secret what opens the commitment
    function openSecret(uint256 caseId, uint256 index, bytes32 secret) external;
    /// @notice Fine the careless and pay the authors, once all opened or their time is over. Anyone.
    /// @param accounts account ids, in the order of the draw
    /// @param values wei for each target
    /// @param revealed seats that opened rightly
    /// @param caseId id of the case
    function settle(uint256 caseId, uint32[] calldata accounts, bytes32[] calldata values, uint256 revealed) external;
    /// @notice Governance. Interval between cases of a model, and time of each phase: 1 minute to 30 days.
    /// @param window bit i: sequence floor + i was settled by itself
    /// @param interval seconds between two cases
    function setTimes(uint32 interval, uint32 window) external;

    /// @notice A case; empty if there is none.
    /// @param caseId id of the case
    function cases(uint256 caseId) external view returns (Case memory);
    /// @notice An author of a model; empty unless listed.
    /// @param modelId id of the model
    /// @param account account id: operatorId * 2 + (1 if Verifier)
    function authors(bytes32 modelId, uint32 account) external view returns (Author memory);
    /// @notice Listed authors of a model.
    /// @param modelId id of the model
    function authorCount(bytes32 modelId) external view returns (uint256);
}
