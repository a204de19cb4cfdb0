"""Words for the errors of the direct lane's contracts. See the package for the form of an entry."""

from __future__ import annotations

from typing import Final

from contracts.error_words.hints import DEFECT, PARAMETER_HINT, PERMIT, POKE

WORDS: Final[dict[str, tuple[str, str]]] = {
    # MLBridge
    "ZeroAddress": ("An address argument is the zero address.", "Give the real address."),
    "OnlyRewardDistributor": ("Only the RewardDistributor contract may call this.", DEFECT),
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
    "OnlyMLBridge": ("Only the MLBridge contract may call this.", DEFECT),
    "OnlyConsensusVerifier": ("Only the ConsensusVerifier contract may call this.", DEFECT),
    "OnlyTaskManager": ("Only the TaskManager contract may call this.", DEFECT),
    "OnlyToken": ("Only the MLB token contract may call this.", DEFECT),
    "TaskExists": (
        "The task {taskId} was submitted already.",
        "The same salt and specification name the same task, so nothing was paid twice: follow that task.",
    ),
    "UnknownTask": ("There is no task {taskId} on this deployment.", "Check the id and the network."),
    "WrongStatus": ("The task {taskId} is {current:status}, so this step is not possible.", POKE),
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
    "BadParameter": ("The value for {name} is not allowed.", PARAMETER_HINT),
    "ClassMismatch": (
        "The model needs execution class {expected}, but {offered} was offered.",
        "Serve it on an engine and build of the model's class.",
    ),
    "NotOperator": (
        "{caller} may not act for this account.",
        "Stake first, and use the operator's key; check-ins may also come from one of its node keys.",
    ),
    "AccountOverflow": ("The account's number is beyond what a pool can hold.", DEFECT),
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
    "WeightOverflow": ("The draw weights exceed what a pool can hold.", PARAMETER_HINT),
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
    # RewardPool
    "OnlyRewardPool": ("Only the RewardPool contract mints MLB; {caller} is not it.", DEFECT),
    "OnlyVoteRecorder": ("{caller} is not the governor that reports votes.", DEFECT),
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
    "ERC20ExceededSafeSupply": ("The supply would exceed what votes can count.", PARAMETER_HINT),
    "ERC20ExceededCap": ("The supply would exceed its cap.", PARAMETER_HINT),
    "ERC2612ExpiredSignature": ("The permit expired at {deadline:time}.", PERMIT),
    "ERC2612InvalidSigner": ("The permit was signed by {signer}, not by the owner {owner}.", PERMIT),
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
