"""Run the image that barque carries inside itself, and show what it says."""

import barque

with barque.from_env() as client:
    print(client.containers.run("hello", remove=True, network_mode="none").decode(), end="")
