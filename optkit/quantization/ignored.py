"""What a quantizing pass leaves alone, as recipes say it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class IgnoredScope(BaseModel):
    """Operations that keep the precision they have."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    names: tuple[str, ...] = Field((), description="names of operations")
    patterns: tuple[str, ...] = Field((), description="regular expressions of names")
    types: tuple[str, ...] = Field((), description="operation types, such as MatMul")

    def to_nncf(self) -> Any:
        """The same in NNCF's words; None where nothing is ignored."""
        import nncf

        if not (self.names or self.patterns or self.types):
            return None
        return nncf.IgnoredScope(
            names=list(self.names), patterns=list(self.patterns), types=list(self.types)
        )
