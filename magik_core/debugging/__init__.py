"""Where a quantized network loses accuracy: measured layer by layer, and dumped to files."""
