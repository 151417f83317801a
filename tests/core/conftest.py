"""Examples may take as long as a busy machine needs: what is slow is measured in benchmarks/, not here."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
