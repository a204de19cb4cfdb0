"""From the provider file's `models` to folders on disk and the arguments of their Serve applications."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from cluster.config import ProviderConfig, ServedModel
from cluster.driver import App
from cluster.served import Served
from contracts import reads
from contracts.chain import Chain
from contracts.network import Network
from contracts.reads import ModelInfo, ModelStatus
from mlbridge.errors import MLBridgeError
from mlbridge.models import Manifest, fetch_files
from mlbridge.models.manifest import MAX_MANIFEST_BYTES
from mlbridge.protocol.types import Policy
from mlbridge.storage import ContentStore

log = structlog.get_logger()

EVERY = "*"
_IMPORT_PATH = "serve.app:build"
_NODE_PATH = "cluster.node_app:build"


@dataclass(frozen=True)
class Choice:
    """One model of the network that this provider's file asks for. asked: by id or name, not by "*"."""

    entry: ServedModel
    model: ModelInfo

    @property
    def asked(self) -> bool:
        return self.entry.model != EVERY


@dataclass(frozen=True)
class Prepared:
    """A model whose files are here and right."""

    choice: Choice
    served: Served
    app: App


def choose(entries: tuple[ServedModel, ...], models: list[ModelInfo]) -> list[Choice]:
    """The active models that the entries name, each once; an entry by id or name goes before "*".

    Of several models of one name the newest counts. Raises MLBridgeError `model.unknown`.
    """
    active = {model.id: model for model in models if model.status is ModelStatus.ACTIVE}
    chosen: dict[bytes, Choice] = {}
    for entry in entries:
        if entry.model == EVERY:
            continue
        matching = [m for m in active.values() if entry.model in ("0x" + m.id.hex(), m.name)]
        if not matching:
            raise MLBridgeError(
                "model.unknown",
                f"The network has no active model {entry.model!r}.",
                hint=f"Active models: {', '.join(sorted(m.name for m in active.values())) or 'none'}.",
                exit_code=5,
            )
        chosen.setdefault(matching[-1].id, Choice(entry, matching[-1]))
    for entry in entries:
        if entry.model == EVERY:
            for model in active.values():
                chosen.setdefault(model.id, Choice(entry, model))
    return list(chosen.values())


async def prepare(
    choices: list[Choice], config: ProviderConfig, network: Network, store: ContentStore, node: str
) -> list[Prepared]:
    """Fetch what is missing. A model that only "*" asked for and that cannot be fetched is left out and
    told.
    """
    slugs = route_names([choice.model for choice in choices])
    prepared = []
    for choice in choices:
        try:
            directory, manifest = await fetch(choice.model, config.home, store)
        except MLBridgeError as error:
            if choice.asked:
                raise
            log.warning("model_left_out", model=choice.model.name, code=error.code, reason=error.message)
            continue
        prepared.append(_prepared(choice, slugs[choice.model.id], manifest, directory, config, network, node))
    return prepared


async def fetch(model: ModelInfo, home: Path, store: ContentStore) -> tuple[Path, Manifest]:
    """A model's folder, complete and checked, and its manifest. Raises MLBridgeError `content.*`,
    `manifest.*`.
    """
    manifest = Manifest.from_bytes(await store.get(model.cid, max_bytes=MAX_MANIFEST_BYTES))
    if (manifest.policy_id, manifest.exec_class_id) != (model.policy, model.exec_class):
        raise MLBridgeError(
            "model.contradiction",
            f"The manifest of {model.name} says another policy or execution class than the registry.",
            hint="Do not serve it; tell its provider.",
        )
    directory = home / "models" / model.cid
    await fetch_files(manifest, store, directory)
    return directory, manifest


def route_names(models: list[ModelInfo]) -> dict[bytes, str]:
    """A path segment for each model: its name where it is alone with it, else with the start of its id."""
    names = [model.name for model in models]
    return {
        model.id: model.name if names.count(model.name) == 1 else f"{model.name}-{model.id.hex()[:8]}"
        for model in models
    }


def _prepared(
    choice: Choice,
    slug: str,
    manifest: Manifest,
    directory: Path,
    config: ProviderConfig,
    network: Network,
    node: str,
) -> Prepared:
    entry, model = choice.entry, choice.model
    engine = entry.engine or manifest.engine
    args: dict[str, Any] = {
        "name": manifest.name,
        "model_id": "0x" + model.id.hex(),
        "chain_id": network.chain_id,
        "directory": str(directory),
        "kind": manifest.kind,
        "engine": engine,
        "device": "cuda" if entry.num_gpus else "cpu",
        "threads": manifest.exec_class.threads or 1,
        "node_keys": [node],
        # Within tolerances another class may vote; where bits must be equal it would only lose its stake.
        "exec_class_id": "0x" + model.exec_class.hex() if model.policy is Policy.EXACT else None,
        "replicas": entry.replicas,
        "num_cpus": entry.num_cpus,
        "num_gpus": entry.num_gpus,
        "engine_args": entry.engine_args,
        "slots": entry.max_ongoing if engine == "vllm" else 1,
    }
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


def node_application(config: ProviderConfig) -> App:
    """The application `node` of this provider."""
    return App(
        name=app_name(config, "node"),
        route=f"{config.prefix}/node",
        import_path=_NODE_PATH,
        args={"config": config.model_dump(mode="json")},
    )


def app_name(config: ProviderConfig, slug: str) -> str:
    """Name of an application; on a shared cluster with the provider's name in front."""
    return mine(config) + slug


def mine(config: ProviderConfig) -> str:
    """What the names of all of this provider's applications begin with."""
    return f"{config.name}--" if config.ray.mode == "join" else ""


async def catalogue(chain: Chain, config: ProviderConfig) -> list[Choice]:
    """What the network offers and the provider file asks for. Raises MLBridgeError `model.unknown`."""
    return choose(config.models, await reads.list_models(chain))
