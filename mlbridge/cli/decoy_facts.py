"""What `mlbridge decoys` tells of a case: where it stands, what comes next, and an author's own part."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from contracts import reads
from contracts.chain import Chain
from contracts.decoys import DecoyCase, Decoys, Phase
from contracts.network import home
from mlbridge.console import data, emit_json, mlb, moment, people
from mlbridge.errors import MLBridgeError
from mlbridge.protocol import content
from mlbridge.protocol.decoys import bend, is_decoy
from mlbridge.protocol.payload import decode_input, decode_output, encode_output
from mlbridge.protocol.types import Role
from mlbridge.sdk.decoy_secrets import DecoySecrets


async def own_account(chain: Chain, operator: str) -> int:
    """The verifier account of an operator. Raises MLBridgeError `decoys.no_verifier`."""
    account = await reads.account_id(chain, operator, Role.VERIFIER)
    if not account:
        raise MLBridgeError(
            "decoys.no_verifier",
            f"{operator} has no verifier account, and authors are verifiers.",
            hint="Use the key that staked as verifier: --keystore operator.json",
            exit_code=3,
        )
    return account


async def place_of(decoys: Decoys, number: int, case: DecoyCase, operator: str) -> int:
    """Which author of a case an operator is. Raises MLBridgeError `decoys.not_drawn`."""
    account = await own_account(decoys.chain, operator)
    if account not in case.authors:
        raise MLBridgeError(
            "decoys.not_drawn",
            f"Account {account} is no author of case {number}.",
            hint=f"`mlbridge decoys show {number}` names its authors.",
            exit_code=3,
        )
    return case.authors.index(account)


def secrets_of(decoys: Decoys, model_id: bytes, account: int) -> DecoySecrets:
    """An author's chains on this machine."""
    chain_id = decoys.chain.chain_id
    return DecoySecrets(
        home() / "decoys", chain_id=chain_id, contract=decoys.address, model=model_id, account=account
    )


async def secret_of(decoys: Decoys, case: DecoyCase, account: int) -> bytes:
    """An author's next secret. Raises MLBridgeError `decoys.no_secret`."""
    anchor = (await decoys.author(case.model_id, account)).anchor
    secret = await asyncio.to_thread(secrets_of(decoys, case.model_id, account).behind, anchor)
    if secret is None:
        raise MLBridgeError(
            "decoys.no_secret",
            f"No secret of account {account} that hashes to 0x{anchor.hex()} is kept here.",
            hint="Use the machine, or the MLBridge home, from which it enlisted.",
            exit_code=5,
        )
    return secret


async def input_of(decoys: Decoys, number: int) -> bytes:
    """The payload of a case's input."""
    parsed = content.parse(await decoys.input_of(number))
    if not isinstance(parsed, content.Inline):
        raise MLBridgeError("content.bad_tag", f"The input of case {number} is not on chain.")
    return parsed.payload


def result_payload(given: str, kind: str) -> bytes:
    """The payload of a result. Raises MLBridgeError `input.unreadable`, `payload.*`."""
    try:
        if given.startswith("@"):
            payload = Path(given[1:]).read_bytes()
            decode_output(kind, payload)
            return payload
        fields = json.loads(given)
    except (OSError, ValueError) as error:
        raise MLBridgeError(
            "input.unreadable",
            f"The result {given[:80]!r} cannot be read: {error}.",
            hint="""Give its fields as JSON, such as '{"label": 7}', or @FILE with the payload's bytes.""",
            exit_code=2,
        ) from error
    if not isinstance(fields, dict):
        raise MLBridgeError("input.unreadable", f"The result {given[:80]!r} is no JSON object.", exit_code=2)
    return encode_output(kind, fields)


async def facts_of(
    decoys: Decoys, number: int, account: LocalAccount | None = None, turn: int = 0
) -> dict[str, Any]:
    """What is to be known of a case, as JSON. account: whose part is told, if any; turn: see `bend`."""
    case = await decoys.case(number)
    review = await decoys.review(number)
    places = [place for place, author in enumerate(case.authors) if author]
    facts: dict[str, Any] = {
        "case": number,
        "model": "0x" + case.model_id.hex(),
        "phase": case.phase.name.lower(),
        "until": case.until,
        "authors": [case.authors[place] for place in places],
        "brought": [case.authors[place] for place in places if case.submitted >> place & 1],
        "revealed": [case.authors[place] for place in places if case.opened >> place & 1],
        "decoys": [case.authors[place] for place in places if case.decoys >> place & 1],
        "accepted": [case.authors[place] for place in places if case.accepted >> place & 1],
        "rejected": [case.authors[place] for place in places if case.rejected >> place & 1],
        "fee_mlb": case.fee,
        "panel": None if review is None else "0x" + review.hex(),
        "careless": await decoys.ending(number),
        "yours": None if account is None else await _yours(decoys, number, case, account, turn),
    }
    return facts | {"next": _next(facts, case)}


async def _yours(
    decoys: Decoys, number: int, case: DecoyCase, account: LocalAccount, turn: int
) -> dict[str, Any] | None:
    """What an author of the case is to run; None for anybody else, and before and after."""
    own = await reads.account_id(decoys.chain, account.address, Role.VERIFIER)
    if case.phase is not Phase.SUBMITTING or own not in case.authors:
        return None
    decoy = is_decoy(await secret_of(decoys, case, own), case.seed)
    payload = await input_of(decoys, number)
    bent = bend(payload, case.seed, turn) if decoy else payload
    return {"account": own, "decoy": decoy, "input": decode_input(bent).model_dump()}


def _next(facts: dict[str, Any], case: DecoyCase) -> str:
    number = facts["case"]
    if case.phase is Phase.ARMED:
        return f"After block {case.until} anybody may have its authors drawn: mlbridge decoys draw {number}"
    if case.phase is Phase.SUBMITTING:
        return (
            f"Its authors bring results until {moment(case.until)} (mlbridge decoys bring {number} RESULT); "
            f"then: mlbridge decoys panel {number}"
        )
    if case.phase is Phase.JUDGING:
        return f"A panel votes: mlbridge task show {facts['panel']}"
    if case.phase is Phase.OPENING:
        return (
            f"Its authors open their secrets until {moment(case.until)} (mlbridge decoys reveal {number}); "
            f"then: mlbridge decoys settle {number}"
        )
    return "It came to nothing." if facts["careless"] is None else "It is settled."


def tell(facts: dict[str, Any], *, as_json: bool) -> None:
    """Facts of a case, for people or machines."""
    if as_json:
        emit_json(facts)
        return
    advice, yours = facts.pop("next"), facts.pop("yours")
    for name, value in facts.items():
        shown = mlb(value) if name.endswith("_mlb") else value
        data.print(f"{name:<9} {'-' if shown in (None, []) else shown}", soft_wrap=True, markup=False)
    if yours is not None:
        what = "a decoy: run this bent input" if yours["decoy"] else "no decoy: run the input"
        people.print(f"your account {yours['account']} is {what}, and bring the result")
        data.print(json.dumps(yours["input"]), soft_wrap=True, markup=False)
    people.print(advice, soft_wrap=True, markup=False)
