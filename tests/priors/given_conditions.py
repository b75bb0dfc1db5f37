"""What a prior says it gives, to hold what it does give to."""

from maquette.config.capabilities import CONDITION, bare, within
from maquette.priors.base import Prior


def given(prior: Prior) -> frozenset[str]:
    """Names of the conditions that a prior gives, those included that only mean something with other settings."""
    capabilities = prior.capabilities(prior.config)
    return bare(within(CONDITION, capabilities.gives | set(capabilities.remedies)))
