"""The name under which scripts import the vendor's converter; magik does the work."""
