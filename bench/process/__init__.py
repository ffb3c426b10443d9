"""The state of this process: global settings, guards around plugin code, the source hash, the machine."""
