"""Where the members of each key lie: a key whose value is the name of a file."""

ROOMS = {
    "schedule": "asgd.simulator.schedules",
    "policy": "asgd.simulator.policies",
    "update": "asgd.simulator.updates",
    "network": "asgd.simulator.networks",
}
