"""The operators of magik_trainingkit, where scripts of the vendor's kit look for them."""

__version__ = "1.1.1"  # of the interface
