"""Ways to the outside: to provincial platforms and to hospital systems. They implement the gateway's ports."""
