"""From the provider file's `models` to folders on disk and the arguments of their Serve applications."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from cluster.choices import Choice
from cluster.config import ProviderConfig
from cluster.driver import App
from cluster.served import Served
from cluster.shelf import Shelf, read_manifest
from contracts.network import Network
from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest
from mlbridge.protocol.types import Policy
from mlbridge.storage import ContentStore
from serve.config import parse
from serve.lane.settings import LaneSettings

log = structlog.get_logger()

_IMPORT_PATH = "serve.app:build"
_NODE_PATH = "cluster.node_app:build"
_NODE = "node"
_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # as manifests have it; the registry takes any text


@dataclass(frozen=True)
class Prepared:
    """A model whose files are here and right."""

    choice: Choice
    served: Served
    app: App


async def prepare(
    choices: list[Choice],
    config: ProviderConfig,
    network: Network,
    store: ContentStore,
    node: str,
    *,
    seat_fee: int,
) -> list[Prepared]:
    """Fetch what is missing. A model that only "*" asked for and that cannot be served is left out.

    seat_fee: wei that the direct lane pays a seat.
    """
    slugs, shelf = route_names(choices), Shelf(config)
    prepared = []
    for choice in choices:
        try:
            manifest = await read_manifest(choice, store)
            slug, directory = slugs[choice.model.id], shelf.folder(choice)
            # Before the files: what cannot run here need not be fetched.
            item = _prepared(choice, slug, manifest, directory, config, network, node, seat_fee)
            await shelf.fetch(choice, manifest, store)
            prepared.append(item)
        except MLBridgeError as error:
            if choice.asked:
                raise
            log.warning("model_left_out", model=choice.model.name, code=error.code, reason=error.message)
    return prepared


def route_names(choices: list[Choice]) -> dict[bytes, str]:
    """A path segment for each model: its name for the first that has it, else its id.

    A name that no path or application may have does not count, and an id is too long for a name: so nobody
    can take another model's segment, or move a model that was there before.
    """
    slugs: dict[bytes, str] = {}
    taken = {_NODE}
    for choice in choices:
        model = choice.model
        plain = _PLAIN.fullmatch(model.name) is not None and model.name not in taken
        slugs[model.id] = model.name if plain else "0x" + model.id.hex()
        taken.add(slugs[model.id])
    return slugs


def _prepared(
    choice: Choice,
    slug: str,
    manifest: Manifest,
    directory: Path,
    config: ProviderConfig,
    network: Network,
    node: str,
    seat_fee: int,
) -> Prepared:
    """Raises MLBridgeError `serve.config` when the manifest asks for what no application may have."""
    entry, model = choice.entry, choice.model
    engine = entry.engine or manifest.engine
    device = "cuda" if entry.num_gpus else "cpu"
    if model.policy is Policy.EXACT:
        _require_class(manifest, engine, device)
    args: dict[str, Any] = {
        "name": manifest.name,
        "model_id": "0x" + model.id.hex(),
        "chain_id": network.chain_id,
        "directory": str(directory),
        "kind": manifest.kind,
        "engine": engine,
        "device": device,
        "threads": manifest.exec_class.threads or 1,
        "node_keys": [node],
        # Within tolerances another class may vote; where bits must be equal it would only lose its stake.
        "exec_class_id": "0x" + model.exec_class.hex() if model.policy is Policy.EXACT else None,
        "replicas": entry.replicas,
        "num_cpus": entry.num_cpus,
        "num_gpus": entry.num_gpus,
        "engine_args": entry.engine_args,
        # Only vLLM on a GPU runs several at once without changing their bits.
        "slots": entry.max_ongoing if (engine, device) == ("vllm", "cuda") else 1,
        # The lane settles results that are equal bit for bit alone.
        "lane": _lane(config, network, seat_fee) if model.policy is Policy.EXACT else None,
    }
    parse(args)
    app = App(
        name=app_name(config, slug), route=f"{config.prefix}/m/{slug}", import_path=_IMPORT_PATH, args=args
    )
    served = Served(
        id="0x" + model.id.hex(),
        name=model.name,
        kind=manifest.kind,
        cid=model.cid,
        exec_class="0x" + model.exec_class.hex(),
        route=f"/m/{slug}",
        app=app.name,
        directory=str(directory),
        price=model.price,
    )
    return Prepared(choice, served, app)


def _lane(config: ProviderConfig, network: Network, seat_fee: int) -> dict[str, Any] | None:
    """The replica's seat in the channel lane; None where the network or this provider has none."""
    if network.lane is None or not config.lane.join:
        return None
    lane = config.lane
    settings = LaneSettings(
        channels=network.lane.channels,
        view=config.lane_view_path,
        store=config.lane_store_path,
        key=config.keys.node,
        storage_url=network.storage_url,
        rpc_url=network.rpc_url if lane.contract_requesters else None,
        coordinators=None if lane.coordinators is None else list(lane.coordinators),
        # A requester who signs the least that is taken must not have its work for nothing.
        seat_fee=seat_fee if lane.seat_fee is None else lane.seat_fee,
        settle_margin_s=lane.settle_margin_s,
        fault=config.fault,
    )
    return settings.model_dump(mode="json")


def _require_class(manifest: Manifest, engine: str, device: str) -> None:
    """Say at once what the replica would only find out with the model loaded. Raises `model.engine`."""
    built_for = manifest.exec_class.kernel.split("/")[0]
    if engine != manifest.engine:
        problem = f"for the engine {manifest.engine}, not {engine}"
        hint = "Take `engine` out of the provider file, or publish the model for that engine."
    elif built_for in ("cpu", "cuda") and built_for != device:
        problem = f"for {'CPUs' if built_for == 'cpu' else 'GPUs'}"
        hint = "Set num_gpus of the model to 0 for CPUs and above for GPUs, or serve another model."
    else:
        return
    raise MLBridgeError(
        "model.engine",
        f"{manifest.name} is published {problem}, and its results are compared bit for bit.",
        hint=hint,
    )


def node_application(config: ProviderConfig) -> App:
    """The application `node` of this provider."""
    return App(
        name=app_name(config, _NODE),
        route=f"{config.prefix}/{_NODE}",
        import_path=_NODE_PATH,
        args={"config": config.model_dump(mode="json")},
    )


def app_name(config: ProviderConfig, slug: str) -> str:
    """Name of an application; on a shared cluster with the provider's name in front."""
    return mine(config) + slug


def mine(config: ProviderConfig) -> str:
    """What the names of all of this provider's applications begin with."""
    return f"{config.name}--" if config.ray.mode == "join" else ""
