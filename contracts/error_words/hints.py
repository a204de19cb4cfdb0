"""Ways out that several errors share."""

from __future__ import annotations

from typing import Final

PARAMETER_HINT: Final = "Check the value against the limits in docs/design/direct-lane.md."
DEFECT: Final = "This call is made by another contract of the deployment, never by a person."
CHANNEL_HINT: Final = "Check it against docs/design/channel-lane.md."
POKE: Final = "Read the task's status again; somebody may just have moved it on."
GOVERNANCE: Final = "Only governance may do this, through the AccessManager."
PROPOSAL_ONLY: Final = "Only a proposal can do this: `mlbridge gov propose`."
PERMIT: Final = "Sign a new permit for this token, chain and owner with the current nonce."
