"""What each custom error means and what to do about it.

Each entry: (one sentence, hint). Braces name the error's arguments; after a colon stands how to show the
value (see contracts.errors): mlb, wei, time, status, role, category, state, id.
tests/unit/test_errors_words.py keeps it complete.
"""

from __future__ import annotations

from typing import Final

_PARAMETER_HINT: Final = "Check the value against the limits in docs/design/direct-lane.md."
_DEFECT: Final = "This call is made by another contract of the deployment, never by a person."
_CHANNEL_HINT: Final = "Check it against docs/design/channel-lane.md."
_POKE: Final = "Read the task's status again; somebody may just have moved it on."
_GOVERNANCE: Final = "Only governance may do this, through the AccessManager."
_PROPOSAL_ONLY: Final = "Only a proposal can do this: `mlbridge gov propose`."
_PERMIT: Final = "Sign a new permit for this token, chain and owner with the current nonce."

WORDS: Final[dict[str, tuple[str, str]]] = {
    # MLBridge
    "ZeroAddress": ("An address argument is the zero address.", "Give the real address."),
    "OnlyRewardDistributor": ("Only the RewardDistributor contract may call this.", _DEFECT),
    "TransferFailed": (
        "Sending {amount:wei} to {to} failed.",
        "A contract at that address refuses coins; claim to an address that accepts them.",
    ),
    "InputSize": (
        "The input has {size} bytes on chain, but at most {maximum} are allowed.",
        "Put the input into content storage and submit its reference.",
    ),
    "EnforcedPause": (
        "New tasks are paused by governance.",
        "Tasks already running, refunds and withdrawals go on; try again after the pause.",
    ),
    "ExpectedPause": ("New tasks are not paused.", "There is nothing to unpause."),
    "ReentrancyGuardReentrantCall": (
        "A contract called back while it was being paid.",
        "Use an address without code, or a contract that does not call back.",
    ),
    # TaskManager
    "OnlyMLBridge": ("Only the MLBridge contract may call this.", _DEFECT),
    "OnlyConsensusVerifier": ("Only the ConsensusVerifier contract may call this.", _DEFECT),
    "OnlyTaskManager": ("Only the TaskManager contract may call this.", _DEFECT),
    "OnlyToken": ("Only the MLB token contract may call this.", _DEFECT),
    "TaskExists": (
        "The task {taskId} was submitted already.",
        "The same salt and specification name the same task, so nothing was paid twice: follow that task.",
    ),
    "UnknownTask": ("There is no task {taskId} on this deployment.", "Check the id and the network."),
    "WrongStatus": ("The task {taskId} is {current:status}, so this step is not possible.", _POKE),
    "NotRequester": (
        "{caller} did not submit the task {taskId}.",
        "Use the account that paid for it.",
    ),
    "TooLateToCancel": (
        "The task {taskId} can no longer be cancelled: its randomness may be known.",
        "Wait for its result or refund.",
    ),
    "ModelNotActive": (
        "The model {modelId} takes no tasks now.",
        "Its provider paused it or governance suspended it; choose another.",
    ),
    "PaymentTooLow": (
        "The payment of {paid:wei} is below the {required:wei} this task costs now.",
        "Ask for a new quote and pay at least that.",
    ),
    "PaymentTooHigh": ("The payment of {paid:wei} is beyond what a task may cost.", "Pay the quote."),
    "BadDeadline": (
        "The deadline {deadline:time} lies outside {earliest:time} to {latest:time}.",
        "Choose a deadline in that span.",
    ),
    "BadCommitteeSize": (
        "A committee of {seats} seats is not possible: choose {minimum} to {maximum}.",
        "Leave the size out for the default.",
    ),
    "TooFewProviders": (
        "The model {modelId} has {available} eligible providers, but the committee needs {required}.",
        "Choose a smaller committee or another model, or try again when more providers serve it.",
    ),
    "TooBusy": (
        "The model {modelId} would have {seats} seats of running tasks; its providers can serve {limit}.",
        "Try again when some of them have ended, or choose another model.",
    ),
    "RandomnessPending": (
        "The draw for task {taskId} needs randomness that is known only after block {readyAtBlock}.",
        "Try again a block later.",
    ),
    "NotSeated": (
        "{caller} acts for no seat in the current round of task {taskId}.",
        "Check that the node key is allowed by the operator that was drawn.",
    ),
    "AlreadyCommitted": (
        "Account {account} has already committed in this round of task {taskId}.",
        "Nothing to do: the stored commitment counts.",
    ),
    "NotCommitted": (
        "Account {account} has not committed in this round of task {taskId}, so it has nothing to open.",
        "Only seats that committed in time can reveal.",
    ),
    "AlreadyRevealed": (
        "Account {account} has already opened its commitment in this round of task {taskId}.",
        "Nothing to do: the opened result counts.",
    ),
    "PhaseClosed": (
        "This phase of task {taskId} closed at {closedAt:time}.",
        "Too late for this step; check the node's clock and its speed.",
    ),
    "PhaseOpen": (
        "This phase of task {taskId} is open until {closesAt:time}.",
        "Try again after that, or when all members have acted.",
    ),
    "ZeroCommitment": ("A commitment must not be zero.", "Compute it with mlbridge.protocol.hashing."),
    "BadResult": (
        "The result bytes are malformed or too long.",
        "They are 0x00 and the payload, or 0x01, the payload hash and the CID; at most 4,096 bytes.",
    ),
    "BadParameter": ("The value for {name} is not allowed.", _PARAMETER_HINT),
    "ClassMismatch": (
        "The model needs execution class {expected}, but {offered} was offered.",
        "Serve it on an engine and build of the model's class.",
    ),
    "NotOperator": (
        "{caller} may not act for this account.",
        "Stake first, and use the operator's key; check-ins may also come from one of its node keys.",
    ),
    "AccountOverflow": ("The account's number is beyond what a pool can hold.", _DEFECT),
    "NoConsent": (
        "The key {node} has not agreed to serve {operator}.",
        "Sign the consent with the node key and send it along: `mlbridge provider up` does both.",
    ),
    "NodeKeyTaken": (
        "The node key {node} belongs to another operator.",
        "One key serves one operator for ever: make a new key.",
    ),
    "AlreadyServing": ("Account {account} already serves model {modelId}.", "Nothing to do."),
    "NotServing": (
        "Account {account} does not serve model {modelId}.",
        "There is nothing to stop or refresh; to check in, serve a model that takes tasks.",
    ),
    "WeightOverflow": ("The draw weights exceed what a pool can hold.", _PARAMETER_HINT),
    # ConsensusVerifier
    "NotContradicting": (
        "The two attestations do not contradict each other.",
        "They must be by one account for one task and round, with different digests.",
    ),
    "BadSignature": (
        "A signature was not made by a node key of the accused account.",
        "Check the EIP-712 domain: chain id and ConsensusVerifier address.",
    ),
    "AlreadyProven": (
        "This contradiction was proven before.",
        "An account is punished once for it; nothing to do.",
    ),
    # ModelRegistry
    "ModelExists": (
        "The model {modelId} is registered already.",
        "The same provider and manifest name the same model; change its price or publish a new version.",
    ),
    "UnknownModel": ("There is no model {modelId} on this deployment.", "Check the id and the network."),
    "NotModelProvider": ("{caller} did not register the model {modelId}.", "Use its provider's account."),
    "BadManifestCid": ("The manifest's CID is not usable.", "Give the CIDv1 text of the stored manifest."),
    "BadMetadata": (
        "The model's metadata is not usable.",
        "It is abi.encode(policy, execution class, name) with a policy of 1 or 2 and a name.",
    ),
    "PriceTooHigh": ("The price of {price:wei} a task is beyond the limit.", "Choose a lower price."),
    "ModelProviderStakeTooLow": (
        "Registering a model needs {required:mlb} staked as model provider; there are {stake:mlb}.",
        "Stake the difference first.",
    ),
    "ProviderStakeSufficient": (
        "The model provider's stake of {stake:mlb} suffices, so its model cannot be stopped for it.",
        "Nothing to do.",
    ),
    "BadPricing": (
        "The pricing value {name} is {value}, but must be between {least} and {most}.",
        "Choose a value within these bounds.",
    ),
    "BadModelStatus": ("The model's status does not allow this change.", "Read its status again."),
    # RewardDistributor
    "ZeroAmount": ("The amount is zero.", "Give an amount above zero."),
    "AmountTooLarge": ("The amount {amount} is beyond what the ledger can hold.", "Give a smaller amount."),
    "BelowMinimum": (
        "A stake of {stake:mlb} as {role:role} is below the minimum of {required:mlb}.",
        "Stake more, or unbond everything.",
    ),
    "InsufficientStake": (
        "{requested:mlb} were asked for, but only {available:mlb} are bonded.",
        "Ask for less.",
    ),
    "StillBonded": (
        "The unbonding stake is released at {releaseAt:time}.",
        "Withdraw after that; until then it can still be slashed.",
    ),
    "NothingToClaim": ("{claimant} has nothing to claim.", "Credits appear when a task has settled."),
    "StillJailed": ("The account is jailed until {until:time}.", "Unjail after that."),
    "NotJailed": ("Account {account} is not jailed.", "Nothing to do."),
    "UnknownAccount": ("There is no staking account {account}.", "Stake first; ids start at 2."),
    # RandomnessBeacon and its sources
    "EpochNotBegun": (
        "Epoch {epoch} has not begun; epoch {current} runs now.",
        "Try again when it has begun.",
    ),
    "NoSource": (
        "Epoch {epoch} is older than the beacon's first source, so it never gets a seed.",
        "Use a later epoch.",
    ),
    "SeedExists": ("The seed of epoch {epoch} is known already.", "Nothing to do: a seed never changes."),
    "SeedNotReady": (
        "The seed of epoch {epoch} cannot be known before {readyAt:time}.",
        "Try again after that.",
    ),
    "BlockUnknown": (
        "The chain does not know the hash of block {number}.",
        "It is too old or not made yet; prove the block that counts now, as the source's targetOf says.",
    ),
    "ForgedHeader": (
        "The header is not that of block {number} on this chain.",
        "Take the headers from a node of this chain, RLP-encoded.",
    ),
    "NotParent": (
        "A header hashes to {found}, but its child names {expected} as its parent.",
        "Give the headers of three blocks in a row, the youngest first.",
    ),
    "WrongBlock": (
        "The first block at or after {target:time} counts; this one is of {timestamp:time}, and the one "
        "before it of {timestampBefore:time}.",
        "Look for the block whose parent is older than that time.",
    ),
    "NoRandao": (
        "This chain's headers carry no RANDAO.",
        "Governance must choose another source: see docs/design/randomness.md.",
    ),
    "MalformedProof": (
        "The proof is not three block headers one after another; it breaks off at byte {position}.",
        "Join the RLP of three headers, the youngest first, and nothing else.",
    ),
    "FieldNotPresentInBlockHeader": (
        "The header lacks a field.",
        "Take the header from a node of this chain, RLP-encoded.",
    ),
    "RLPInvalidEncoding": (
        "The header is not valid RLP.",
        "Take the header from a node of this chain, RLP-encoded.",
    ),
    "MalformedSignature": (
        "The signature has {length} bytes instead of 128.",
        "Give drand's signature uncompressed, as EIP-2537 writes points of G1.",
    ),
    "WrongRoundSignature": (
        "This is not the signature of drand's round {round}.",
        "Fetch that round of the quicknet chain from any drand server.",
    ),
    # BLS and BlsAttestations
    "PrecompileFailed": (
        "The BLS12-381 precompile {precompile} refused its input.",
        "A point is malformed or outside its group, or the chain lacks EIP-2537.",
    ),
    "TagTooLong": ("The domain separation tag has {length} bytes, at most 255 are allowed.", "Shorten it."),
    "NoWeight": (
        "Account {account} weighs nothing now.",
        "It must be staked above the minimum and not be jailed.",
    ),
    "AlreadyAttesting": (
        "Account {account} of this operator attests already.",
        "Rotate its key, or unregister it first.",
    ),
    "NotAttesting": ("Account {account} is not in the attester set.", "Register it first."),
    "SetFull": (
        "The attester set has all of its {members} members.",
        "Displace a member that weighs less.",
    ),
    "SetNotFull": (
        "The attester set has {members} members and room for more.",
        "Register instead of displacing.",
    ),
    "NotHeavier": (
        "A weight of {weight} does not displace a member that weighs {displaced}.",
        "Choose a lighter member.",
    ),
    "WrongKey": (
        "This is not the BLS key of account {account}.",
        "Take the key from its last AttesterJoined or AttesterKeyChanged event.",
    ),
    "KeyAtInfinity": ("The point at infinity is no key.", "Make a key from a secret that is not zero."),
    "NotPossessed": (
        "The proof does not show that account {account} holds the key's secret.",
        "Sign possessionMessage with the key, under POSSESSION_TAG.",
    ),
    "NothingToRefresh": ("Nothing recorded for {account} differs from its stake.", "Nothing to do."),
    "EpochTooOld": (
        "Attestations for epoch {epoch} no longer count; the oldest epoch that does is {oldest}.",
        "Attest again for a newer epoch.",
    ),
    "MalformedEvidence": (
        "The evidence has {length} bytes, which is no possible length.",
        "It is 512 bytes and 320 for each member that did not sign.",
    ),
    "WrongGroup": (
        "The group in the evidence is not that of epoch {epoch}.",
        "Take the last GroupChanged event that is not younger than the epoch.",
    ),
    "WrongMember": (
        "The evidence does not describe the member in place {place} as it was recorded.",
        "Give account, weight and key of that epoch, highest place first.",
    ),
    "NoSigners": ("Nobody signed.", "Name at least one signer, whose keys do not cancel out."),
    "UnknownSigners": (
        "Signers are named in places that nobody holds (bits {places}).",
        "Name members of the epoch's group only.",
    ),
    "WrongAbsentees": (
        "The evidence names {named} absent members, but {missing} did not sign.",
        "Name each member that did not sign once, highest place first.",
    ),
    "AggregateMismatch": (
        "The signature is not that of all the named signers on {digest} for epoch {epoch}.",
        "Check digest, epoch, verifier contract and the list of signers.",
    ),
    # RewardPool
    "OnlyRewardPool": ("Only the RewardPool contract mints MLB; {caller} is not it.", _DEFECT),
    "OnlyVoteRecorder": ("{caller} is not the governor that reports votes.", _DEFECT),
    "BadRate": ("The rate {name} is {value}, but may be {most} at most.", "Choose a lower value."),
    "NothingToMint": (
        "Inflation allows no more MLB now; {minted:mlb} were minted since genesis.",
        "Try again after the next epoch of 300 seconds.",
    ),
    "NothingToCollect": (
        "{earner} has nothing to collect now.",
        "Fees count from the first collection of a season; a used-up daily budget is renewed tomorrow.",
    ),
    "SeasonNotOpen": (
        "Rebates were raised; the new season opens at {opensAt:time}, when earlier tasks have ended.",
        "Collect after that; fees count from then on.",
    ),
    "NotUp": (
        "Account {account} is jailed, below its minimum stake, or was absent when last drawn.",
        "Unjail it, stake more, or take part in the next task that draws it.",
    ),
    "StillServing": ("Account {account} does serve model {modelId}.", "There is nothing to report."),
    "NotCheckedIn": ("Account {account} has not checked in.", "There is nothing to report."),
    "VotePeriodOpen": ("Votes of this period end at {endsAt:time}.", "Collect after that."),
    "OwnableInvalidOwner": ("{owner} cannot own the vesting wallet.", "Use a real address."),
    "OwnableUnauthorizedAccount": ("{account} does not own the vesting wallet.", "Use its owner's key."),
    # MLBridgeToken and OpenZeppelin's token parts
    "InvalidStakeAmount": ("The amount to stake must be above zero.", "Give an amount above zero."),
    "ERC20InsufficientBalance": (
        "{sender} holds {balance:mlb}, but {needed:mlb} are needed.",
        "Get more MLB, or use less.",
    ),
    "ERC20InsufficientAllowance": (
        "{spender} may spend {allowance:mlb} for the holder, but {needed:mlb} are needed.",
        "Approve the RewardDistributor for the amount first.",
    ),
    "ERC20InvalidApprover": ("{approver} cannot approve spending.", "Use a real address."),
    "ERC20InvalidReceiver": ("{receiver} cannot receive MLB.", "Use a real address."),
    "ERC20InvalidSender": ("{sender} cannot send MLB.", "Use a real address."),
    "ERC20InvalidSpender": ("{spender} cannot be allowed to spend.", "Use a real address."),
    "ERC20ExceededSafeSupply": ("The supply would exceed what votes can count.", _PARAMETER_HINT),
    "ERC20ExceededCap": ("The supply would exceed its cap.", _PARAMETER_HINT),
    "ERC2612ExpiredSignature": ("The permit expired at {deadline:time}.", _PERMIT),
    "ERC2612InvalidSigner": ("The permit was signed by {signer}, not by the owner {owner}.", _PERMIT),
    "ERC5805FutureLookup": ("Votes at {timepoint} are not known yet.", "Ask for an earlier time."),
    "ERC6372InconsistentClock": ("The token's clock is inconsistent.", "Please report it: a defect."),
    "VotesExpiredSignature": ("The delegation signature expired at {expiry:time}.", "Sign a new one."),
    "InvalidAccountNonce": (
        "The signature's nonce does not match {account}'s current nonce {currentNonce}.",
        "Sign again with the current nonce.",
    ),
    "CheckpointUnorderedInsertion": (
        "A vote checkpoint would go back in time.",
        "Please report it: a defect.",
    ),
    "ECDSAInvalidSignature": ("The signature is not valid.", "Sign again."),
    "ECDSAInvalidSignatureLength": ("The signature has {length} bytes instead of 65.", "Sign again."),
    "ECDSAInvalidSignatureS": (
        "The signature is not in its canonical form.",
        "Sign again with a low s value.",
    ),
    "InvalidShortString": ("A stored name is malformed.", "Please report it: a defect."),
    "StringTooLong": ("The text {str} is too long.", "Shorten it."),
    "SafeERC20FailedOperation": ("Moving tokens of {token} failed.", "Check balance and approval."),
    "SafeERC20FailedDecreaseAllowance": ("The allowance cannot be lowered so far.", "Lower it by less."),
    "SafeCastOverflowedUintDowncast": (
        "The number {value} does not fit {bits} bits.",
        "Give a smaller amount.",
    ),
    "SafeCastOverflowedIntDowncast": (
        "The number {value} does not fit {bits} bits.",
        "Give a smaller amount.",
    ),
    "SafeCastOverflowedIntToUint": ("The number {value} must not be negative.", "Give a positive amount."),
    "SafeCastOverflowedUintToInt": ("The number {value} is too large.", "Give a smaller amount."),
    "AddressEmptyCode": ("There is no contract at {target}.", "Check the address."),
    "FailedCall": ("A call to another contract failed.", "Look at the called contract's own rules."),
    "InsufficientBalance": (
        "The contract holds {balance:wei}, but {needed:wei} are needed.",
        "Try again later.",
    ),
    # AccessManager
    "AccessManagedUnauthorized": ("{caller} may not do this.", _GOVERNANCE),
    "AccessManagedRequiredDelay": ("{caller} must schedule this {delay} seconds ahead.", _GOVERNANCE),
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
    "AccessManagerLockedFunction": ("The function {selector} is locked.", _GOVERNANCE),
    "AccessManagerLockedRole": ("The role {roleId} cannot be changed.", _GOVERNANCE),
    "AccessManagerNotReady": ("The operation {operationId} is not due yet.", "Wait for its time."),
    "AccessManagerNotScheduled": ("The operation {operationId} is not scheduled.", "Schedule it first."),
    "AccessManagerUnauthorizedAccount": ("{msgsender} does not hold role {roleId}.", _GOVERNANCE),
    "AccessManagerUnauthorizedCall": ("{caller} may not call {selector} on {target}.", _GOVERNANCE),
    "AccessManagerUnauthorizedCancel": ("{msgsender} may not cancel this operation.", _GOVERNANCE),
    "AccessManagerUnauthorizedConsume": ("{target} may not consume this operation.", _GOVERNANCE),
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
    "GovernorInvalidVotingPeriod": ("A voting period of {votingPeriod} is not allowed.", _PARAMETER_HINT),
    "GovernorNonexistentProposal": (
        "There is no proposal {proposalId:id} here.",
        "See them with `mlbridge gov list`.",
    ),
    "GovernorOnlyExecutor": ("{account} may not do this.", _PROPOSAL_ONLY),
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
    "AccessControlUnauthorizedAccount": ("{account} may not do this.", _PROPOSAL_ONLY),
    "TimelockInsufficientDelay": (
        "A delay of {delay} seconds is below the timelock's {minDelay}.",
        "Choose a longer one.",
    ),
    "TimelockInvalidOperationLength": (
        "The operation has {targets} targets, {values} values and {payloads} calls.",
        "Give as many of each.",
    ),
    "TimelockUnauthorizedCaller": ("{caller} may not do this.", _PROPOSAL_ONLY),
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
    # StakeSnapshots
    "NotCompute": (
        "The account {account} is not in the compute role.",
        "Uptime is paid to compute accounts, and committees of the channel lane are of them; name one.",
    ),
    "SeedKnown": (
        "The seed of epoch {epoch} is known already, so its draws are fixed.",
        "Record again in the next epoch.",
    ),
    "ModelNotRecorded": (
        "The model {modelId} had no recorded price in epoch {epoch}.",
        "Anybody can record it with recordModel; it counts from the next epoch on.",
    ),
    "ModelTooDear": ("The price {price:wei} of the model {modelId} is too high.", "Lower the model's price."),
    # PaymentChannels
    "BadShare": (
        "A share of {share} basis points is above the largest, {maximum}.",
        "Take a smaller share.",
    ),
    "BadDelay": ("The value of {name} is outside its limits.", _CHANNEL_HINT),
    "NotPending": ("No voucher waits in the channel {channel}.", "Present one first."),
    "ChannelExists": (
        "The channel {channel} is open already.",
        "Use it, top it up, or open another one with another salt.",
    ),
    "ChannelClosing": (
        "The channel {channel} is closing; it may be finished from {closesAt:time} on.",
        "Settle what was signed before then, or open another channel.",
    ),
    "ChannelNotClosing": ("The channel {channel} is not closing.", "Start to close it first."),
    "UnknownChannel": (
        "There is no channel {channel} on this deployment.",
        "Check its terms: every one of them is part of its id.",
    ),
    "NotParty": ("{caller} is not the party of the channel {channel} that may do this.", _CHANNEL_HINT),
    "WrongChannel": (
        "The message names {actual}, but {expected} is meant.",
        "Use the message that was signed for it.",
    ),
    "TooEarly": ("This is possible from {readyAt:time} on.", "Wait until then."),
    "VoucherTooLow": (
        "The total of {total:wei} is below the {least:wei} that wait already.",
        "A voucher counts from the opening of the channel: present the newest one.",
    ),
    "CoversTooMuch": (
        "Sequences up to {covered} are more than can be passed at once; the limit is {most}.",
        "Cover them in several steps.",
    ),
    "BadOrderSignature": (
        "The message {order} was not signed by the party that it binds.",
        "Sign it again; contract accounts count where the evidence is checked on chain, not in batches.",
    ),
    "BadSeatSignature": (
        "The attestation of account {account} for the order {order} is not valid.",
        "Its operator's node key must sign order, result, salt and the root of the closed commitments.",
    ),
    "BadCommittee": (
        "The seats given for the order {order} cannot be a committee.",
        "Give as many compute accounts as the order has seats, 3 to 15, in ascending order.",
    ),
    "NotEligible": (
        "The account {account} had no recorded weight for the order {order}.",
        "Record its weight with recordWeight; it counts from the next epoch on.",
    ),
    "NoVerdict": (
        "The attestations for the order {order} do not reach the verdict rule.",
        "70 % of the weight, 2/3 of the seats and 3 seats are needed.",
    ),
    "PolicyNotSettled": (
        "Orders under the policy {policy} cannot be settled by digest.",
        "Use a model with the exact policy, or the direct lane.",
    ),
    "OrderExpired": (
        "The order {order} could be settled until {closedAt:time}.",
        "Nothing is owed for it any more.",
    ),
    "OrderTooOld": (
        "The order's epoch {epoch} is too old; the oldest that settles is {oldest}.",
        "Nothing is owed for it any more.",
    ),
    "EpochAhead": ("The order's epoch {epoch} has not begun; now is {current}.", "Wait for its epoch."),
    "ChannelTooYoung": (
        "The channel was opened in epoch {openedIn}, so the seed of epoch {epoch} is not younger.",
        "Order with the next epoch.",
    ),
    "SeedUnknown": ("The seed of epoch {epoch} is not known yet.", "Wait for the randomness beacon."),
    "AlreadySettled": (
        "The sequence {sequence} of the channel {channel} is settled already.",
        "A sequence settles once; take the next one.",
    ),
    "SequenceTooFar": (
        "The sequence {sequence} is too far ahead; the limit is {limit}.",
        "Settle the sequences before it, or cover them by a voucher.",
    ),
    "InsufficientDeposit": (
        "The channel {channel} holds {available:wei}, but {needed:wei} are needed.",
        "Top it up.",
    ),
    "NotOpenAgain": (
        "The sequence {sequence} of the channel {channel} was not opened again.",
        "It is below the floor: a batch or a voucher settled it.",
    ),
    "SeatNotFalse": (
        "The accounts given do not all arrive before account {account} in the draw of {order}.",
        "Compute the draw again; perhaps the account was seated.",
    ),
    "AlreadyProvenFault": (
        "The account {account} was punished for the order {order} already.",
        "Nothing is left to report.",
    ),
    "OnlySettlement": ("Only the Settlement contract may call this.", _DEFECT),
    "WrongFloor": (
        "The channel {channel} stands at sequence {actual}, not at {expected}.",
        "Build the batch again from the channel's present floor.",
    ),
    "FeeTooLow": (
        "The order's price of {fee:wei} is below the {required:wei} of shares and model fee.",
        "Sign a higher maximum fee.",
    ),
    "ChannelsUnsorted": (
        "The debits are not sorted: {channel} stands too late.",
        "Sort them by channel, each channel once.",
    ),
    # Dissents
    "AnotherOrder": (
        "The attestation is for the order {actual}, not for {expected}.",
        "Report it with the evidence of its own order.",
    ),
    "NoDissent": ("The account {account} attested the verdict of {order}.", "There is nothing to report."),
    "NoSeat": ("The account {account} had no seat in the order {order}.", "Prove the false seat instead."),
    "BadDissentSignature": (
        "The attestation of account {account} for the order {order} is not signed by a key of its operator.",
        "Report it as it was sent.",
    ),
    "AlreadyReported": (
        "The dissent of account {account} in the order {order} is recorded already.",
        "Nothing is left to report.",
    ),
    # EcdsaAttestations
    "BadAttesters": (
        "The attesters are not a list of verifier accounts in ascending order with a signature each.",
        "Sort them, each once.",
    ),
    "NotAttester": (
        "The account {account} has no weight, so it stands behind nothing.",
        "Leave it out.",
    ),
    "BadAttesterSignature": (
        "The signature of account {account} is not by an allowed node key of its operator.",
        "Ask the attester again.",
    ),
    # Settlement
    "BondTooLow": (
        "The bond of {bond:wei} is below the {required:wei} that this takes.",
        "Deposit more with depositBond.",
    ),
    "BondLocked": (
        "The bond is locked until {until:time}, when the last batch is final.",
        "Wait until then.",
    ),
    "NothingToWithdraw": ("Nothing waits for {account}.", "There is nothing to do."),
    "TooManyDebits": (
        "A batch of {count} channels is too large; the limit is {most}.",
        "Post it in parts.",
    ),
    "EmptyBatch": ("The batch is empty.", "Give at least one task, one entry and one debit."),
    "BatchExists": ("The batch {batch} was posted already.", "Nothing needs to be done."),
    "AttestersTooFew": (
        "{signers} attesters with a weight of {weight} are not enough.",
        "Collect more signatures.",
    ),
    "UnknownBatch": (
        "There is no batch {batch} on this deployment.",
        "Give its header exactly as BatchPosted showed it.",
    ),
    "BatchVoid": ("The batch {batch} is void.", "Its channels get their debits back with restore."),
    "BatchNotVoid": ("The batch {batch} is not void.", "Its parties claim from it once it is final."),
    "BatchFinal": (
        "The batch {batch} could be challenged until {finalAt:time}.",
        "It is final now.",
    ),
    "BatchNotFinal": (
        "The batch {batch} is final from {finalAt:time} on; {demands} demands are open.",
        "Wait until then.",
    ),
    "NotInBatch": (
        "That leaf is not in the batch {batch}.",
        "Check index, leaf and Merkle path against the published data.",
    ),
    "NoFault": (
        "That shows no fault of the batch {batch}.",
        "Look at the rules in docs/design/channel-lane.md.",
    ),
    "WrongData": (
        "The data given is not what the batch {batch} holds the hash of.",
        "Take it from the published data.",
    ),
    "AlreadyStruck": ("The leaf {index} of the batch {batch} was struck already.", "Nothing is left to do."),
    "StruckTooMuch": (
        "The leaves of channel {channel} in the batch {batch} say more than was taken from it.",
        "Void the batch with challengeDebit.",
    ),
    "AlreadyClaimed": (
        "The party {party} was paid from the batch {batch} already.",
        "Nothing is left to claim.",
    ),
    "NotLastEntry": (
        "The leaf {index} is not the last of its party in the batch {batch}.",
        "Claim with the last one: it carries the total.",
    ),
    "BatchEmpty": (
        "The batch {batch} holds {pot:wei}, less than the {amount:wei} claimed.",
        "Its leaves were wrong and nobody showed it in time.",
    ),
    "AlreadyRestored": (
        "The channel {channel} got its debit in the batch {batch} back already.",
        "Nothing is left to do.",
    ),
    "WrongBond": (
        "The demand came with {sent:wei} instead of {required:wei}.",
        "Send exactly the bond of a demand.",
    ),
    "DemandOpen": ("The leaf {index} of the batch {batch} is demanded already.", "Wait for the answer."),
    "NoDemand": (
        "No demand for the leaf {index} of the batch {batch} is open.",
        "It may be answered already.",
    ),
    "DemandNotDue": ("The demand may be answered until {dueAt:time}.", "Wait until then."),
    "DemandOverdue": (
        "The demand could be answered until {dueAt:time}.",
        "Anybody may void the batch now.",
    ),
    "NotEnoughGas": ("The call had too little gas to judge the evidence.", "Send it again with more gas."),
    # the ledger's side of the channel lane
    "OnlyBridge": ("Only the MLBridge contract may call this.", _DEFECT),
    "OnlyChannels": ("Only the PaymentChannels contract may call this.", _DEFECT),
    "ChannelsSet": ("PaymentChannels was named already: {channels}.", "It is named once and for all."),
    "LaneFundsExceeded": (
        "{amount:wei} are more than the {funds:wei} that channels hold.",
        "Please report it: a defect.",
    ),
    "LaneFault": ("The fault {fault} is not punished by the channel lane.", _DEFECT),
    # Slash escrow and appeals
    "OnlySlashEscrow": ("Only the SlashEscrow contract may call this.", _DEFECT),
    "OnlyAppeals": ("Only the Appeals contract may call this.", _DEFECT),
    "SlashEscrowSet": (
        "The slash escrow was chosen already: {escrow}.",
        "It is chosen once, so that a held slash cannot lose its case.",
    ),
    "BadEscrowRules": (
        "A threshold of {threshold} basis points or a window of {window} s is not allowed.",
        "The threshold is at most 9,999; the window is 1 second to 30 days.",
    ),
    "WrongCaseStatus": (
        "The case {caseId} cannot take this step now (state {current}).",
        "0 means that no such case exists: repeat the case exactly as SlashHeld told it. 4 means closed.",
    ),
    "WindowOpen": (
        "The case {caseId} may be appealed or vetoed until {until:time}.",
        "Finalise it after that.",
    ),
    "WindowClosed": (
        "The window of the case {caseId} closed at {until:time}.",
        "The slash stands; anyone may finalise it.",
    ),
    "NotAppealable": (
        "The case {caseId} is no judged result.",
        "Absence, a commitment that was not opened and a contradiction are facts; ask governance for a veto.",
    ),
    "NotAppellant": (
        "{caller} is not the operator of the slashed account in the case {caseId}.",
        "Appeal from the cold address that staked.",
    ),
    "RecordMismatch": (
        "The record does not describe the task {taskId}.",
        "Rebuild it from the task's events, in the order of rounds and seats.",
    ),
    "ContentMismatch": (
        "The content hashes to {given}, but {expected} is on record.",
        "Give exactly what was submitted or revealed.",
    ),
    "BadSeat": ("Seat {seat} of the first round is not the slashed account's.", "Give the account's seat."),
    "BadMinimumBond": (
        "A minimum bond of {minimumBond:mlb} is not allowed.",
        "It is at most 100,000 MLB.",
    ),
    "NotDecided": (
        "The review {reviewId} has nothing to conclude (state {outcome}).",
        "1 means that its panel still works; 5 that it was concluded.",
    ),
    "WrongCase": (
        "The review {reviewId} is not about the case {caseId}.",
        "Give the case that was appealed.",
    ),
    "NoJudgeFees": (
        "The dispute reserve of model {model} cannot pay the panel.",
        "Anybody may add to it with fundReserve; then try again.",
    ),
    # Sealing keys
    "NotAnOperator": (
        "{caller} has not staked for a seat.",
        "Stake as a compute provider or verifier first.",
    ),
    "BadScheme": ("There is no key scheme {scheme}.", "1 is X25519, 2 is MLKEM768-X25519."),
    "BadKeyLength": ("The key has {length} bytes instead of {expected}.", "Give the raw public key."),
    "BadLocation": (
        "A long key needs its digest and a CID of 1 to 64 bytes; the CID has {length}.",
        "Store the key first, then register its keccak256 and its CID in binary form.",
    ),
    "BadStart": (
        "A key cannot begin at {validFrom:time}.",
        "It may begin between {earliest:time} and {latest:time}.",
    ),
    "DigestMismatch": (
        "The key hashes to {actual}, not to {given}.",
        "Leave the digest at zero for a short key.",
    ),
    "SameKey": ("The key {digest} is the current one already.", "Make a new key pair to rotate."),
    "TooManyKeys": ("An operator registers at most {maximum} keys.", "Use another operator account."),
    "UnknownKey": ("{operator} has no key number {index}.", "Numbers begin at 0."),
    "AlreadyRevoked": ("The key number {index} was revoked already.", "There is nothing to do."),
    # Policy adapters
    "BadPolicy": ("The policy {policy} is judged by committees.", "Adapters serve policies from 3 on."),
    "AdapterWithoutCode": ("There is no contract at {adapter}.", "Deploy the adapter first."),
    "BadAdapterGas": ("An adapter may use at most {maximum} gas, not {gasLimit}.", "Give a lower limit."),
    "VerifierWithoutCode": ("There is no contract at {verifier}.", "Deploy the verifier first."),
    "BadGasLimit": ("A verifier may use at most {maximum} gas, not {gasLimit}.", "Give a lower limit."),
    "TooLittleGas": (
        "The call came with {available} gas, but needs {required}.",
        "Send more gas: with less, good evidence could be refused.",
    ),
    # Bisection
    "BadDepth": ("A trail cannot have 2 to the power of {depth} steps.", "The depth is 1 to 32."),
    "BadParty": ("The account {account} cannot be the second party.", "Two operators are needed."),
    "NothingDisputed": ("Both parties stand by the trail {trail}.", "There is nothing to find."),
    "WrongGameStatus": (
        "The game {gameId} cannot take this step now (state {current}).",
        "0 means that there is no such game; read it again.",
    ),
    "BadSide": ("There is no side {side}.", "0 is the first party, 1 the second."),
    "AlreadyShown": ("Side {side} of the game {gameId} has shown its children in this round.", _POKE),
    "WrongChildren": (
        "The children hash to {given}, but the disputed node is {node}.",
        "Show the children that the committed trail has there.",
    ),
    "RoundClosed": ("The round of the game {gameId} closed at {deadline:time}.", "Anyone may call timeout."),
    "RoundOpen": ("The round of the game {gameId} runs until {deadline:time}.", "Wait until then."),
    "BadWindow": ("A window of {window} s is not allowed.", "It is 1 minute to 7 days."),
    # Decoys
    "NotAuthor": ("{caller} is not the operator of account {account}.", "Use the cold address that staked."),
    "NotVerifier": (
        "The account {account} is no verifier with stake that serves the model and is on its list.",
        "Stake as a verifier, serve the model, then enlist.",
    ),
    "AuthorBusy": ("The account {account} is the author of a case that runs.", "Wait for its end."),
    "ZeroAnchor": ("A chain of secrets cannot begin with zero.", "Give the hash of the first secret."),
    "DrawPending": ("{cases} cases wait for their authors' draw.", "Call drawAuthors on them first."),
    "TooSoon": ("The next case of this model may be opened at {earliest:time}.", "Wait until then."),
    "BadInput": (
        "The content cannot be read, or lies elsewhere.",
        "Give the content itself, tagged as inline: everybody must be able to look at it.",
    ),
    "WrongPhase": (
        "The case {caseId} cannot take this step now (phase {current}).",
        "0 means that there is no such case; 5 that it ended.",
    ),
    "NotYet": ("This is possible after {until} (block number or unix time).", "Wait until then."),
    "TooLate": ("This was possible until {until:time}.", "Settle the case instead."),
    "BadIndex": ("There is no author or candidate {index}.", "A case has three; numbers begin at 0."),
    "AlreadyDone": ("Author {index} has done this already.", "There is nothing to do."),
    "WrongSecret": (
        "The secret does not hash to the author's anchor {anchor}.",
        "Open the next secret of the chain, and none after it.",
    ),
    "ContentDiffers": (
        "The content hashes to {given}, but {expected} is on record.",
        "Give exactly what the events told.",
    ),
    "BadTimes": (
        "An interval of {interval} s or a window of {window} s is not allowed.",
        "Both are 1 minute to 30 days.",
    ),
    # the factory of deployments
    "AlreadyMade": (
        "The contract at {made} was made already.",
        "Run the deployment again: it goes on from there.",
    ),
    "Create3EmptyBytecode": (
        "There is no code to make a contract from.",
        "Give creation code with its arguments.",
    ),
    "Create2EmptyBytecode": ("There is no code to make a contract from.", "Please report it: a defect."),
    "FailedDeployment": (
        "A contract could not be created, and its constructor did not say why.",
        "Give the transaction more gas, and check the constructor's arguments.",
    ),
    # not Solidity: what the node says
    "OutOfGas": (
        "The call needs more gas than a block or its limit allows.",
        "Try again, or make the call smaller.",
    ),
}

PANICS: Final[dict[int, str]] = {
    0x00: "generic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "a number that is no value of its enum",
    0x22: "damaged storage",
    0x31: "pop of an empty array",
    0x32: "array index out of bounds",
    0x41: "too much memory",
    0x51: "call of an uninitialised function",
}
