"""From a TOML file to typed settings, with all that is wrong with it said at once."""
