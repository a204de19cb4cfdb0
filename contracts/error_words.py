"""What each custom error means and what to do about it.

Each entry: (one sentence, hint). Braces name the error's arguments; after a colon stands how to show the
value (see contracts.errors): mlb, wei, time, status, role. tests/unit/test_errors_words.py keeps it complete.
"""

from __future__ import annotations

from typing import Final

_PARAMETER_HINT: Final = "Check the value against the limits in docs/design/direct-lane.md."
_DEFECT: Final = "This call is made by another contract of the deployment, never by a person."
_POKE: Final = "Read the task's status again; somebody may just have moved it on."
_GOVERNANCE: Final = "Only governance may do this, through the AccessManager."
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
        "{caller} is not the operator of this account.",
        "Stake first, and use the operator's key, not a node key.",
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
    "NotServing": ("Account {account} does not serve model {modelId}.", "Nothing to stop or refresh."),
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
        "The account {account} is no listed verifier with stake.",
        "Stake as a verifier and enlist.",
    ),
    "AuthorBusy": ("The account {account} is the author of a case that runs.", "Wait for its end."),
    "ZeroAnchor": ("A chain of secrets cannot begin with zero.", "Give the hash of the first secret."),
    "DrawPending": ("{cases} cases wait for their authors' draw.", "Call drawAuthors on them first."),
    "TooSoon": ("The next case of this model may be opened at {earliest:time}.", "Wait until then."),
    "BadInput": ("The content cannot be read.", "Give tagged bytes: inline, or a pointer with its CID."),
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
