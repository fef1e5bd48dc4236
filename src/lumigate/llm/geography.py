"""Who may answer a caller from where: pure rules over countries and regions.

Countries are ISO 3166-1 codes as Cloudflare tells them. A country that is not known (none, `XX`, or `T1` for Tor) is
treated as the strictest case: it is inside for `eu-only`, and on no allow list.
"""

from __future__ import annotations

from dataclasses import dataclass

from lumigate.model_table import ModelRoute

EU = "eu"
EEA = frozenset(
    {
        *(
            "AT",
            "BE",
            "BG",
            "HR",
            "CY",
            "CZ",
            "DK",
            "EE",
            "FI",
            "FR",
            "DE",
            "GR",
            "HU",
            "IE",
            "IT",
            "LV",
            "LT",
        ),
        *("LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO"),
    }
)
"""The European Union and, with it, Iceland, Liechtenstein and Norway: where the GDPR holds."""
_UNKNOWN = frozenset({"", "XX", "T1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GeographicPolicy:
    """The deployment's rules; a candidate may add its own."""

    policy: str = "none"
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """For telemetry."""
        return self.policy if self.policy != "none" or not (self.allow or self.deny) else "countries"

    def serves(self, country: str) -> bool:
        """Whether callers from there are answered at all."""
        return country not in self.deny and (not self.allow or country in self.allow)

    def permits(self, country: str, route: ModelRoute) -> bool:
        """Whether this candidate may answer a caller from there."""
        if country in route.deny_countries or (
            route.allow_countries and country not in route.allow_countries
        ):
            return False
        if self.policy == "eu-only" and (country in EEA or country in _UNKNOWN):
            return route.region == EU
        return True
