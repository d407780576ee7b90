"""How the receiver and the services are reached: sockets, slow peers, and who is admitted."""
