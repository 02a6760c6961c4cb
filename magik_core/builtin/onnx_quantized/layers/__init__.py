"""One function for each quantized operator: it reads the node and emits what the node becomes."""
