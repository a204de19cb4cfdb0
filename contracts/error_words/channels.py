"""Words for the errors of the channel lane and its randomness. See the package for the form of an entry."""

from __future__ import annotations

from typing import Final

from contracts.error_words.hints import CHANNEL_HINT, DEFECT

WORDS: Final[dict[str, tuple[str, str]]] = {
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
    "BadDelay": ("The value of {name} is outside its limits.", CHANNEL_HINT),
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
    "NotParty": ("{caller} is not the party of the channel {channel} that may do this.", CHANNEL_HINT),
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
    "OnlySettlement": ("Only the Settlement contract may call this.", DEFECT),
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
    # Summons
    "AlreadySummoned": (
        "The order {order} was summoned before.",
        "An order is summoned once; sign the next sequence.",
    ),
    "NotSummoned": ("No summons of the order {order} is open.", "It ended, or was never posted."),
    "ModelNotSummoned": (
        "Seats of the model {modelId} cannot be summoned: it takes no tasks, or is not compared by digest.",
        "Use an active model with the exact policy, or the direct lane.",
    ),
    "TooLateToSummon": (
        "The order {order} settles until {latest:time}, but its seats would have time until {needed:time}.",
        "Sign the next sequence with the present epoch and a later deadline, and summon soon.",
    ),
    "SeatFeeTooLow": (
        "A seat would earn {seatFee:wei} by the order, less than the {least:wei} of the direct lane.",
        "Sign the next sequence with a higher maximum fee.",
    ),
    "SeatFull": (
        "The account {account} has {open} summonses open, as many as it may.",
        "Wait until one of them ends, or sign the next sequence, which draws other seats.",
    ),
    "AlreadyAnswered": (
        "The account {account} did this for the order {order} already.",
        "Nothing is left to do.",
    ),
    "NothingToOpen": (
        "The account {account} has no commitment to open for the order {order}.",
        "A seat commits first, to something that is not zero.",
    ),
    # DissentCases
    "CaseExists": (
        "There is a case about the order {order} already.",
        "An order is judged once; read the case.",
    ),
    "WrongDissentStatus": (
        "The case about the order {order} cannot take this step now (state {current}).",
        "0 means that there is no such case; 1 that its panel still works; 5 that it was closed.",
    ),
    "NotOnRecord": (
        "No dissent of account {account} from this verdict on the order {order} is on record.",
        "Report it to Dissents first.",
    ),
    "NotSplit": (
        "These are no different results of several seats of the order {order}.",
        "Give an attestation of each seat once, by ascending account, two of them with different results.",
    ),
    "TooLateToJudge": (
        "The order {order} is judged no more; a case could be opened until {until:time}.",
        "Open cases while the stake of whoever left is still in reach.",
    ),
    "NotByDigest": (
        "Results of the model {modelId} are not compared by digest.",
        "Honest results may differ there, so nobody is judged for them here.",
    ),
    "TooFewJudges": (
        "{eligible} accounts could judge, but {needed} are needed.",
        "Wait until more operators serve the model.",
    ),
    "NotWrong": (
        "The account {account} attested what the panel found for the order {order}.",
        "There is nothing to punish.",
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
        "Deposit more, or send more with the call.",
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
    "OnlyBridge": ("Only the MLBridge contract may call this.", DEFECT),
    "OnlyChannels": ("Only the PaymentChannels contract may call this.", DEFECT),
    "ChannelsSet": ("PaymentChannels was named already: {channels}.", "It is named once and for all."),
    "LaneFundsExceeded": (
        "{amount:wei} are more than the {funds:wei} that channels hold.",
        "Please report it: a defect.",
    ),
    "LaneFault": ("The fault {fault} is not punished by the channel lane.", DEFECT),
}
