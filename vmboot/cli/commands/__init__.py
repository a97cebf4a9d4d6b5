"""One module per command: parse into a frozen options value, then ``run(options, terminal)``."""
