"""From settings to modules, and from modules to the service; the daemon and the command line share it."""
