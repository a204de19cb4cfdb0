"""The HTTP face of the network: OpenAI's dialect and a native one, over one core."""
