"""Graphs of LISTENAI's linger (domains `thinker` v1 and `linger`) in the quantize-dequantize form.

linger trains them, thinker runs them. A scale is what a value is multiplied by, a power of two; codes are signed
and have no zero point. docs/thinker.md says what each operator becomes.
"""
