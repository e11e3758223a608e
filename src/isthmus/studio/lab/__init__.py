"""Own data through a model: what it makes of them, noise, chains and features."""
