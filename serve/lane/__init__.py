"""A provider's seat in the channel lane, inside the model's replica."""
