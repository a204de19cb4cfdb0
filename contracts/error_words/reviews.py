"""Words for the errors of escrow, appeals and judges of judges. See the package for the form of an entry."""

from __future__ import annotations

from typing import Final

from contracts.error_words.hints import DEFECT, POKE

WORDS: Final[dict[str, tuple[str, str]]] = {
    # Slash escrow and appeals
    "OnlySlashEscrow": ("Only the SlashEscrow contract may call this.", DEFECT),
    "OnlyAppeals": ("Only the Appeals contract may call this.", DEFECT),
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
        "The case {caseId} is no result that judges found wrong.",
        "Absence, an unopened commitment, a contradiction and a seat that was not drawn are facts; ask "
        "governance for a veto.",
    ),
    "NotAppellant": (
        "{caller} is not the operator of the slashed account in the case {caseId}.",
        "Appeal from the cold address that staked.",
    ),
    "RecordMismatch": (
        "The record does not describe the task or order {taskId}.",
        "Rebuild it from the events of the task or case, in the order of rounds and seats.",
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
    "AlreadyShown": ("Side {side} of the game {gameId} has shown its children in this round.", POKE),
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
    "TooLate": ("This was possible until {until:time}.", "Settle the case, or close the summons, instead."),
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
}
