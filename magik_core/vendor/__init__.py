"""The vendor's converter as its users know it: its command lines, its files, its log; docs/vendor.md."""
