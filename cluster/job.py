"""A provider's agent and models on a Ray cluster that runs already:

ray job submit --address http://HEAD:8265 -- python -m cluster.job --config provider.yaml

The job ends when everything runs; agent and applications stay. Registration is done elsewhere, with the
operator's key: whoever holds the cluster's token can read every key that is used on it. An error ends the job
with one JSON document on stderr and the error's exit code.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cluster import capabilities
from cluster.agent_actor import start_here
from cluster.choices import catalogue
from cluster.config import ProviderConfig, load_config
from cluster.driver import Apply, apply, connect
from cluster.files import write_state
from cluster.logs import log_to
from cluster.provision import Prepared, mine, node_application, prepare
from cluster.served import write_served
from contracts import keystore, reads
from contracts.chain import Chain
from mlbridge.console import emit_json, run_async
from mlbridge.errors import MLBridgeError
from mlbridge.storage import open_store


def run(
    config: Annotated[Path, typer.Option("--config", "-c", help="The provider's YAML file.")],
    serve: Annotated[bool, typer.Option(help="Deploy the models too, not only the agent.")] = True,
    timeout: Annotated[float, typer.Option(help="Seconds the models get to start.")] = 600,
) -> None:
    """Start the agent on this cluster, with the models it serves."""
    log_to()
    provider = load_config(config)
    connect()
    if not serve:
        start_here(provider)
        emit_json({"agent": provider.agent_name})
        return
    prepared = run_async(_prepared(provider))
    node = node_application(provider)
    reply = apply(
        Apply(
            apps=[node, *(item.app for item in prepared)],
            mine=mine(provider),
            host=provider.advertise.listen,
            port=provider.http_port,
            agent=provider.model_dump(mode="json"),
            timeout=timeout,
        )
    )
    emit_json({"agent": provider.agent_name, **reply})
    running = {name for name, app in reply["apps"].items() if app["status"] == "RUNNING"}
    write_served(provider.home, [item.served for item in prepared if item.app.name in running])
    if not {node.name, *(item.app.name for item in prepared if item.choice.asked)} <= running:
        raise typer.Exit(1)


async def _prepared(provider: ProviderConfig) -> list[Prepared]:
    """Fetch the models that shall run. Raises MLBridgeError `node.unregistered` and what fetching
    raises.
    """
    node = keystore.address_of(provider.keys.node.keystore)
    async with await Chain.connect(provider.load_network()) as chain:
        _, allowed = await reads.call(chain.tasks.functions.nodeBinding(node))
        if not allowed:
            raise MLBridgeError(
                "node.unregistered",
                f"The node key {node} acts for no operator.",
                hint="Register it first, where the operator's key is: `mlbridge provider up`.",
            )
        choices = await catalogue(chain, provider)
        store = open_store(chain.network.storage_url)
        seat_fee = (await reads.get_parameters(chain)).seat_fee
        prepared = await prepare(choices, provider, chain.network, store, node, seat_fee=seat_fee)
    write_served(provider.home, [item.served for item in prepared])
    found = capabilities.detect(provider.home, bandwidth_mbps=provider.bandwidth_mbps)
    write_state(provider.home / capabilities.CAPABILITIES_FILE, found.to_dict())
    return prepared


def main() -> None:
    """The job."""
    try:
        typer.run(run)
    except MLBridgeError as error:
        sys.stderr.write(json.dumps({"error": error.to_dict()}, default=str) + "\n")
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
