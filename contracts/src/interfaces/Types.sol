// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @notice Where a task stands. The only moves are those of the transition table in docs/design/direct-lane.md.
enum TaskStatus {
    None, // unknown task
    Submitted, // paid and locked; the first committee waits for its randomness block
    Committing, // seats drawn; members execute and commit
    Revealing, // commitment set closed; members open their commitments
    Redrawing, // silent seats vacated; replacements wait for their randomness block
    Escalated, // dissent or no verdict; judges wait for their randomness block
    Finalized, // terminal: verdict reached, settled
    Refunded, // terminal: no verdict possible, payment returned
    Cancelled // terminal: withdrawn by the requester before its randomness was known
}

/// @notice What the members of a round commit to.
enum RoundKind {
    Result, // a task result; compared by digest
    Vote // a verdict (ACCEPT / REJECT / GREY) on each first-round candidate
}

/// @notice How results of a model are compared.
enum Policy {
    None,
    Exact, // digest equality inside one execution class
    Numeric // verdict round when digests differ
}

/// @notice What a stake stands for. Only Compute and Verifier accounts can hold seats.
enum Role {
    Holder,
    ModelProvider,
    Compute,
    Verifier
}

/// @notice Why stake was taken.
enum Fault {
    Absent, // no commitment by the deadline: 5-15 % by streak
    Unopened, // committed and not opened, or opened wrongly: as an incorrect result
    Incorrect, // result rejected by the judges: 10-50 % by how lopsided the verdict was
    Malicious // two signed statements that contradict each other: 100 %
}

/// @notice One seat of a committee.
/// @param account staking account id: operatorId * 2 + (1 if the Verifier role, 0 if Compute)
/// @param weight stake (whole MLB) x reputation (basis points) when drawn
/// @param committed a commitment is stored
/// @param revealed the commitment was opened correctly
/// @param faulty the opening did not match the commitment
/// @param value digest (Result round) or packed votes (Vote round) once revealed; the commitment before
struct Seat {
    uint32 account;
    uint64 weight;
    bool committed;
    bool revealed;
    bool faulty;
    bytes32 value;
}

/// @notice What the tally of one round says.
/// @param passed a value reached 70 % of weight, 2/3 of seats and 3 seats
/// @param dissent somebody revealed a value other than the winner (Result) or a candidate was not accepted (Vote)
/// @param winner the winning digest (Result) or the delivered candidate's digest (Vote); zero unless passed
/// @param confidence weight share of the leading value, in basis points, rounded down; where nothing passed but judges
/// rejected something, the smallest share that rejected
/// @param accepted bit i set: candidate seat i of round 0 is accepted
/// @param rejected bit i set: candidate seat i of round 0 is rejected under the same rule (Vote rounds)
struct Verdict {
    bool passed;
    bool dissent;
    bytes32 winner;
    uint16 confidence;
    uint16 accepted;
    uint16 rejected;
}
