"""Words for the errors of governance and access. See the package for the form of an entry."""

from __future__ import annotations

from typing import Final

from contracts.error_words.hints import GOVERNANCE, PARAMETER_HINT, PROPOSAL_ONLY

WORDS: Final[dict[str, tuple[str, str]]] = {
    # AccessManager
    "AccessManagedUnauthorized": ("{caller} may not do this.", GOVERNANCE),
    "AccessManagedRequiredDelay": ("{caller} must schedule this {delay} seconds ahead.", GOVERNANCE),
    "AccessManagedInvalidAuthority": (
        "{authority} cannot be an authority.",
        "Give an AccessManager's address.",
    ),
    "AccessManagerAlreadyScheduled": (
        "The operation {operationId} is scheduled already.",
        "Wait for its time.",
    ),
    "AccessManagerBadConfirmation": (
        "Giving up a role must be confirmed by its holder.",
        "Repeat your own address.",
    ),
    "AccessManagerExpired": ("The scheduled operation {operationId} has expired.", "Schedule it again."),
    "AccessManagerInvalidInitialAdmin": (
        "{initialAdmin} cannot be the first administrator.",
        "Give a real address.",
    ),
    "AccessManagerLockedFunction": ("The function {selector} is locked.", GOVERNANCE),
    "AccessManagerLockedRole": ("The role {roleId} cannot be changed.", GOVERNANCE),
    "AccessManagerNotReady": ("The operation {operationId} is not due yet.", "Wait for its time."),
    "AccessManagerNotScheduled": ("The operation {operationId} is not scheduled.", "Schedule it first."),
    "AccessManagerUnauthorizedAccount": ("{msgsender} does not hold role {roleId}.", GOVERNANCE),
    "AccessManagerUnauthorizedCall": ("{caller} may not call {selector} on {target}.", GOVERNANCE),
    "AccessManagerUnauthorizedCancel": ("{msgsender} may not cancel this operation.", GOVERNANCE),
    "AccessManagerUnauthorizedConsume": ("{target} may not consume this operation.", GOVERNANCE),
    # MLBridgeGovernor and OpenZeppelin's governor parts
    "WrongCategory": (
        "The proposal was declared {declared:category}, but what it calls is {required:category}.",
        "Declare what it is, or governance, the strictest; or split it by subject.",
    ),
    "BadTerms": (
        "The value for {name} is not allowed in the terms of the category {category:category}.",
        "Check the value against the bounds in docs/design/governance.md.",
    ),
    "BadGuardianTerm": ("A guardian's term of {term} seconds is not allowed.", "Choose up to 365 days."),
    "AlwaysGovernance": (
        "What calls {target} is always a matter of governance.",
        "The governor, the timelock and the AccessManager cannot be listed.",
    ),
    "NoVotingPower": (
        "{account} has no votes on this proposal.",
        "Votes must be delegated before a vote opens; quadratic votes need stake on the voter roll.",
    ),
    "TimelockUnmet": (
        "The proposal {proposalId:id} may be executed from {eta:time} on.",
        "Try again then.",
    ),
    "NotGuardian": ("{caller} is not the guardian, or its term has ended.", "Only the guardian may do this."),
    "GasTooLow": (
        "There are {left} gas left, but telling the vote recorder may take {needed}.",
        "Send the vote with more gas.",
    ),
    "GovernorAlreadyCastVote": ("{voter} has voted on this proposal already.", "A vote cannot be changed."),
    "GovernorAlreadyQueuedProposal": (
        "The proposal {proposalId:id} is queued already.",
        "Wait for its time.",
    ),
    "GovernorDisabledDeposit": ("The governor takes no deposits.", "Send them to the timelock."),
    "GovernorInsufficientProposerVotes": (
        "{proposer} has {votes:mlb} of votes, but this category needs {threshold:mlb} to propose.",
        "Have more delegated to you, or ask somebody with enough votes to propose it.",
    ),
    "GovernorInvalidProposalLength": (
        "The proposal has {targets} targets, {values} values and {calldatas} calls.",
        "Give as many of each, and at least one.",
    ),
    "GovernorInvalidSignature": ("The vote was not signed by {voter}.", "Sign it with the current nonce."),
    "GovernorInvalidVoteParams": ("The vote carries parameters.", "Leave them out."),
    "GovernorInvalidVoteType": ("There is no such vote.", "Vote against (0), for (1) or abstain (2)."),
    "GovernorInvalidVotingPeriod": ("A voting period of {votingPeriod} is not allowed.", PARAMETER_HINT),
    "GovernorNonexistentProposal": (
        "There is no proposal {proposalId:id} here.",
        "See them with `mlbridge gov list`.",
    ),
    "GovernorOnlyExecutor": ("{account} may not do this.", PROPOSAL_ONLY),
    "GovernorPreventLateQuorumVoteExtensionTooLarge": (
        "An extension of {newVoteExtension} seconds is above the limit of {maxVoteExtension}.",
        "Choose a shorter one.",
    ),
    "GovernorProposalQueueingFailed": ("The proposal {proposalId:id} was not queued.", "Try again."),
    "GovernorProposalQueueingNotRequired": (
        "The proposal {proposalId:id} need not be queued.",
        "Execute it.",
    ),
    "GovernorRestrictedProposer": (
        "The description reserves this proposal for somebody else than {proposer}.",
        "Change the description.",
    ),
    "GovernorUnableToCancel": (
        "{account} may not cancel the proposal {proposalId:id} now.",
        "A guardian may until its timelock has run out, its proposer before the vote.",
    ),
    "GovernorUnexpectedProposalState": (
        "The proposal {proposalId:id} is {current:state}, so this step is not possible.",
        "See when each step is due with `mlbridge gov show`.",
    ),
    # TimelockController
    "AccessControlBadConfirmation": (
        "Giving up a role must be confirmed by its holder.",
        "Repeat your own address.",
    ),
    "AccessControlUnauthorizedAccount": ("{account} may not do this.", PROPOSAL_ONLY),
    "TimelockInsufficientDelay": (
        "A delay of {delay} seconds is below the timelock's {minDelay}.",
        "Choose a longer one.",
    ),
    "TimelockInvalidOperationLength": (
        "The operation has {targets} targets, {values} values and {payloads} calls.",
        "Give as many of each.",
    ),
    "TimelockUnauthorizedCaller": ("{caller} may not do this.", PROPOSAL_ONLY),
    "TimelockUnexecutedPredecessor": (
        "The operation {predecessorId} must be executed first.",
        "Execute it, then try again.",
    ),
    "TimelockUnexpectedOperationState": (
        "The operation {operationId} is not in the state that this step needs.",
        "See when each step is due with `mlbridge gov show`.",
    ),
    # VoterRoll
    "StakeBelowMinimum": (
        "{account} has {stake:mlb} bonded, but the voter roll needs {minimum:mlb}.",
        "Stake the difference first, in any role.",
    ),
    "ZeroMinimum": ("The least stake of the voter roll must be above zero.", "Give an amount above zero."),
}
