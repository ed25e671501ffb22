"""The team's stack in `docker compose`: started, stopped, and what can be wrong with the machine said beforehand."""
