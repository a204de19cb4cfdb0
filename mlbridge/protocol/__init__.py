"""Pure protocol: encodings, digests, votes and the verdict rule."""
