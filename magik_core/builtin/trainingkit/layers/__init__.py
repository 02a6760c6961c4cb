"""One function for each operator of the training kit: it reads the node and emits what the node becomes."""
