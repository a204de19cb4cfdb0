"""The agent's part of a seat in the channel lane: what replicas know of the chain, and what they earned."""
