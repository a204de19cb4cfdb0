"""What an appeal says again of a case about an order of the channel lane: who may not sit, and on what.

The chain keeps hashes of it (`DissentCases.cases`), see docs/design/channel-lane.md, "Dissent cases".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts import artifacts, reads
from contracts.ballots import PanelBallot, ballot_of
from contracts.chain import Chain
from contracts.lane import Lane
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content, hashing


@dataclass(frozen=True, slots=True)
class DissentFile:
    """A case about an order, as its events tell it.

    order: its digest; excluded: accounts that could not sit on the first panel; ballot: what that one said;
    input_data: tagged bytes that it was asked about.
    """

    order: bytes
    excluded: tuple[int, ...]
    ballot: PanelBallot
    input_data: bytes

    @property
    def bench(self) -> int:
        """Seats of the panel that judged the order."""
        return len(self.ballot.accounts)

    def as_tuple(self) -> tuple[Any, ...]:
        """As the contracts take it."""
        return list(self.excluded), *self.ballot.as_tuple()

    def result_of(self, chain_id: int, account: int, attested: bytes, given: bytes | None = None) -> bytes:
        """The tagged result that an account attested. given: its payload, if the caller has it.

        Raises MLBridgeError `appeal.other_result` where `given` is something else, `appeal.no_result` where
        nothing was given and no judge opened the same.
        """
        if given is not None:
            found = hashing.result_digest(chain_id, self.order, hashing.payload_root(given))
            if found != attested:
                raise MLBridgeError(
                    "appeal.other_result",
                    f"The result is not what account {account} attested: it has the digest 0x{found.hex()}, "
                    f"not 0x{attested.hex()}.",
                    hint="Give the payload byte for byte as the node signed it.",
                    exit_code=2,
                )
            return content.inline(given)
        for shown in self.ballot.results.values():
            if hashing.result_digest(chain_id, self.order, content.parse(shown).root) == attested:
                return shown
        raise MLBridgeError(
            "appeal.no_result",
            f"No judge showed what account {account} attested, and the chain keeps its digest alone.",
            hint="Give its payload: --result FILE (result= in code).",
            exit_code=2,
        )


async def dissent_file(chain: Chain, order: bytes) -> DissentFile:
    """The case about an order.

    Raises MLBridgeError `appeal.no_record` where the node does not return all of its events.
    """
    addresses = chain.network.lane
    opened = []
    if addresses is not None and addresses.dissent_cases is not None:
        lane = Lane(chain, addresses)
        opened = await lane.events(artifacts.DISSENT_CASES, "DissentCaseOpened", "0x" + order.hex())
    if opened:
        case = opened[-1].args
        events = await reads.task_events(chain, bytes(case["reviewId"]))
        asked = [event for event in events if event.name == "TaskSubmitted"]
        ballot = ballot_of(events)
        if asked and ballot is not None:
            excluded = tuple(int(account) for account in case["excluded"])
            return DissentFile(order, excluded, ballot, bytes(asked[0].args["inputData"]))
    raise MLBridgeError(
        "appeal.no_record",
        f"The node's events do not show the case about order 0x{order.hex()}.",
        hint="Use a node that keeps every event since the deployment.",
    )
