"""The named plans, one TOML file each."""
