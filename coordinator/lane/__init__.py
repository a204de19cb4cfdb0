"""The coordinator's half of the channel lane: orders, members, batches, watching."""
