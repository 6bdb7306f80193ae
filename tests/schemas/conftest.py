"""Property tests say what is true, not how fast this machine is today: they have no deadline for an example."""

from hypothesis import settings

settings.register_profile("hub", deadline=None)
settings.load_profile("hub")
