"""How fast this machine trains and maps, next to the conventional way and the machine's own limits."""
