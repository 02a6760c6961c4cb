"""The networks that the checkpoints of the shared folder belong to, written as users write them."""
