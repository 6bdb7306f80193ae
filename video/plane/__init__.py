"""The forwarding plane: packets pass from one sender to many receivers with rewritten headers. `port` is what others see of it."""
