"""The program as a process: modes, options, signals, its socket, its end."""
