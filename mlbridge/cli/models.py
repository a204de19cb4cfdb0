"""`mlbridge model`: publish, list and show models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.reads import ModelInfo
from mlbridge.cli.context import JsonOption, KeyOption, NetworkOption, PasswordFileOption, open_client, using
from mlbridge.cli.paying import choose
from mlbridge.console import data, emit_json, eth, parse_ether, people, run_async, table
from mlbridge.models.manifest import MANIFEST_NAME, PACK_FILE
from mlbridge.sdk import AsyncClient

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Publish, price, list and show models.")


@app.command()
def publish(
    folder: Annotated[
        Path, typer.Argument(help="Model folder: safetensors and tokenizer files, manifest.json.")
    ],
    price: Annotated[str, typer.Option(metavar="ETH", help="Fee an inference, in ETH.")],
    stake: Annotated[
        bool, typer.Option("--stake", help="First stake what is missing of 10,000 MLB.")
    ] = False,
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store a model folder and register its manifest's CID. The same folder again changes nothing.

    A folder of `serve.packs` (pack.json instead of manifest.json) gets this machine's execution class.
    """

    fee = parse_ether(price, "--price")

    async def work(client: AsyncClient) -> dict[str, Any]:
        draft = _pack_draft(folder)
        done = await client.publish(
            folder,
            fee,
            stake=stake,
            draft=draft,
            ignore={PACK_FILE} if draft is not None else (),
        )
        return {"id": "0x" + done.id.hex(), "cid": done.cid, "name": done.manifest.name}

    facts = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(facts)
    else:
        people.print(f"published {facts['name']}: manifest {facts['cid']}", soft_wrap=True, markup=False)
        data.print(facts["id"])


@app.command("list")
def list_models(network: NetworkOption = None, as_json: JsonOption = False) -> None:
    """Every registered model with its price, policy and standing."""

    async def work(client: AsyncClient) -> list[dict[str, Any]]:
        return [_facts(model) for model in await client.models()]

    facts = run_async(using(open_client(network), work))
    if as_json:
        emit_json(facts)
        return
    rows = [
        [
            item["name"],
            item["policy"],
            eth(item["price_wei"]),
            item["status"],
            f"{item['reputation'] / 100:.0f} %",
            item["id"],
        ]
        for item in facts
    ]
    table("models", ["name", "policy", "price", "status", "reputation", "id"], rows)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="Name or id of a model.")],
    network: NetworkOption = None,
    as_json: JsonOption = False,
) -> None:
    """A model's terms and its manifest, checked against its CID."""

    async def work(client: AsyncClient) -> dict[str, Any]:
        found, warnings = await choose(client, model)
        manifest = await client.manifest(found)
        quoted = await client.quote(found)
        return _facts(found) | {
            "quote_wei": quoted,
            "manifest": manifest.model_dump(mode="json"),
            "warnings": warnings,
        }

    facts = run_async(using(open_client(network), work))
    if as_json:
        emit_json(facts)
        return
    manifest = facts.pop("manifest")
    del facts["warnings"]  # told on stderr
    for name, value in facts.items():
        shown = eth(value) if name.endswith("_wei") else value
        data.print(f"{name:<14} {shown}", soft_wrap=True, markup=False)
    data.print(f"{'kind':<14} {manifest['kind']}, licence {manifest['licence']}", markup=False)
    execution = ", ".join(
        f"{key} {value}" for key, value in manifest["exec_class"].items() if key != "weights_sha256"
    )
    data.print(f"{'class':<14} {execution}", soft_wrap=True, markup=False)
    rows = [[item["path"], f"{item['size']:,}", item["cid"]] for item in manifest["files"]]
    table("files", ["path", "bytes", "cid"], rows)


@app.command()
def price(
    model: Annotated[str, typer.Argument(help="Name or id of a model of yours.")],
    amount: Annotated[str, typer.Argument(metavar="ETH", help="Your fee an inference from now on, in ETH.")],
    network: NetworkOption = None,
    key: KeyOption = None,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change your own price of a model, with the key that published it. Tasks that are paid for keep theirs.

    On the direct lane demand multiplies it (docs/design/economy.md, Prices). The channel lane takes it over
    from the epoch after somebody records the model again, which running providers do.

    Example: mlbridge model price minilm 0.00002 --keystore provider.json
    """
    fee = parse_ether(amount, "The price")

    async def work(client: AsyncClient) -> dict[str, Any]:
        found, _ = await choose(client, model)
        await client.set_price(found, fee)
        return _facts(await client.model(found.id)) | {"quote_wei": await client.quote(found.id)}

    facts = run_async(using(open_client(network, key, password_file), work))
    if as_json:
        emit_json(facts)
    else:
        people.print(
            f"{facts['name']} costs {eth(facts['price_wei'])} an inference, a task {eth(facts['quote_wei'])}",
            markup=False,
        )


def _facts(model: ModelInfo) -> dict[str, Any]:
    return {
        "name": model.name,
        "id": "0x" + model.id.hex(),
        "provider": model.provider,
        "cid": model.cid,
        "price_wei": model.price,
        "policy": model.policy.name.lower(),
        "status": model.status.name.lower(),
        "reputation": model.reputation,
    }


def _pack_draft(folder: Path) -> dict[str, Any] | None:
    if not (folder / PACK_FILE).is_file() or (folder / MANIFEST_NAME).is_file():
        return None
    from serve.packs import read_pack
    from serve.packs.draft import manifest_draft

    return manifest_draft(read_pack(folder))
