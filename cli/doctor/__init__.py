"""`visionloop doctor`: what is wrong with the running stack, and what to do about it. One module per thing looked at."""
