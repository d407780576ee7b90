"""What the settings of the receiver and of the services have in common."""

from __future__ import annotations

import os
from typing import Any, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from panoptes.network.errors import ConfigurationError, first_fault


class EnvironmentSettings(BaseSettings):
    """Each is read from the environment where it is not given; a subclass sets the prefix."""

    model_config = SettingsConfigDict(extra="forbid", hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="The address to listen on.")

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: ValidationInfo) -> object:
        """As environment variables are often set to nothing to unset them."""
        if isinstance(value, str) and not value.strip():
            return cls.model_fields[str(info.field_name)].default
        return value

    @classmethod
    def given(cls, **options: Any) -> Self:
        """With the options that are not None. Raises ConfigurationError, in one sentence."""
        try:
            return cls(**{name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            raise ConfigurationError(first_fault(error)) from None

    @classmethod
    def unknown_variables(cls) -> list[str]:
        """Environment variables that look like settings and are none, in any letter case."""
        prefix = cls.model_config["env_prefix"]
        known = {f"{prefix}{name}".upper() for name in cls.model_fields}
        named = (name for name in os.environ if name.upper().startswith(prefix))
        return sorted(name for name in named if name.upper() not in known)


def separated(value: object) -> object:
    """Names separated by commas, as a variable holds them, one by one."""
    if not isinstance(value, str):
        return value
    return [each.strip() for each in value.split(",") if each.strip()]
