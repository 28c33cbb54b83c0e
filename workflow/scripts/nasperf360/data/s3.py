"""A bucket of any S3 server: keys from the environment alone, and one clear line when something is wrong."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    EndpointConnectionError,
    HTTPClientError,
    ProfileNotFound,
)

from nasperf360.errors import UserError
from nasperf360.files import BLOCK

KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
TOKEN_VARIABLE = "AWS_SESSION_TOKEN"
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")

PAGE, LIST = "index.html", "index.json"
"""What lists the objects below the prefix, for people and for programs."""


@dataclass(frozen=True)
class Bucket:
    """Where data sets are published: the ``publish`` setting, and a client for it."""

    name: str
    prefix: str
    endpoint: str
    client: Any

    @classmethod
    def open(cls, settings: Mapping[str, str], *, anonymous: bool = False) -> "Bucket":
        """A bucket by the ``publish`` setting: ``bucket``, ``prefix``, ``endpoint`` (empty: AWS).

        Args:
            anonymous: read without keys where the environment has none.

        Raises:
            UserError: no bucket is set, a key is missing, or one of these, or the region or the profile that the
                environment names, cannot be right.
        """
        # Newer boto3 adds checksum headers that other servers than AWS store as part of the object.
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        os.environ.setdefault("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
        name, endpoint = settings.get("bucket", ""), settings.get("endpoint", "")
        if not name:
            raise UserError("publish.bucket: not set; give the bucket: --config 'publish={bucket: my-bucket}'")
        missing = [variable for variable in KEY_VARIABLES if not os.environ.get(variable)]
        if missing and not anonymous:
            raise UserError(f"{' and '.join(missing)}: not set in the environment; export the keys of bucket '{name}'")
        prefix = settings.get("prefix", "").strip("/")
        _check(name, prefix, endpoint)
        access, secret = (None, None) if missing else (os.environ[variable] for variable in KEY_VARIABLES)
        region = next(filter(None, map(os.environ.get, REGION_VARIABLES)), "us-east-1")
        config = Config(
            signature_version=botocore.UNSIGNED if missing else "s3v4",
            connect_timeout=15,
            retries={"mode": "standard", "max_attempts": 3},
            s3={"addressing_style": "path" if endpoint else "auto"},
        )
        token = os.environ.get(TOKEN_VARIABLE) or None
        try:
            session = boto3.Session(access, secret, token, region_name=region)
            client = session.client("s3", endpoint_url=endpoint or None, config=config)
        except ProfileNotFound as error:
            profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
            raise UserError(
                f"AWS_PROFILE: there is no profile '{profile}' in the configuration of AWS; unset the variable, since "
                f"the keys come from the environment"
            ) from error
        except (ConfigParseError, ConfigNotFound) as error:
            path = error.kwargs.get("path", "~/.aws")
            raise UserError(f"{path}: a configuration of AWS that cannot be read; mend the file or move it") from error
        except ValueError as error:
            raise UserError(f"publish.endpoint: '{endpoint}' is no URL such as https://s3.example.org") from error
        return cls(name, prefix, endpoint, client)

    def key(self, name: str) -> str:
        """The object's key of a file name."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def address(self, name: str = "") -> str:
        """What to call an object, or the bucket, in messages."""
        where = f" at {self.endpoint}" if self.endpoint else ""
        return f"s3://{self.name}/{self.key(name)}{where}" if name else f"s3://{self.name}{where}"

    def head(self, name: str) -> dict[str, Any] | None:
        """Metadata of an object, or None where there is none."""
        with self.explained():
            try:
                return dict(self.client.head_object(Bucket=self.name, Key=self.key(name)))
            except ClientError as error:
                if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                    return None
                raise

    def blocks(self, name: str) -> Iterator[bytes]:
        """The content of an object, bit by bit."""
        with self.explained():
            yield from self.client.get_object(Bucket=self.name, Key=self.key(name))["Body"].iter_chunks(BLOCK)

    def listed(self) -> dict[str, int]:
        """Sizes of all objects below the prefix, by name."""
        start = self.key("")
        with self.explained():
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=start)
            entries = [entry for page in pages for entry in page.get("Contents", [])]
        return {entry["Key"].removeprefix(start): entry["Size"] for entry in entries}

    def check(self) -> None:
        """Make one request.

        Raises:
            UserError: the endpoint cannot be reached, has no such bucket, or refuses the keys.
        """
        with self.explained():
            self.client.head_bucket(Bucket=self.name)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn boto's errors into one line that names the endpoint, the bucket or the variable."""
        try:
            yield
        except ClientError as error:
            raise UserError(self._explain(error)) from error
        except (EndpointConnectionError, HTTPClientError) as error:
            raise UserError(
                f"publish.endpoint: {self.endpoint or 'AWS'} cannot be reached; check the address and the network"
            ) from error
        except BotoCoreError as error:
            raise UserError(f"{self.address()}: {error}; check the settings of 'publish'") from error

    def _explain(self, error: Any) -> str:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code == "InvalidBucketName":
            return _bad_name(self.name)
        if code in ("404", "NoSuchBucket"):
            return f"publish.bucket: there is no bucket {self.address()}; create it or correct the name"
        if status in (401, 403):
            return (
                f"{self.address()}: access denied ({code}); check {' and '.join(KEY_VARIABLES)} "
                f"and what they may do in this bucket"
            )
        return f"{self.address()}: {error}; try again, or ask who runs the server"


def _check(name: str, prefix: str, endpoint: str) -> None:
    """Refuse what no server could take, before boto sends or says something that names another cause.

    Raises:
        UserError: names the setting or the variable; never a key.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", name):
        raise UserError(_bad_name(name))
    if not prefix.isprintable():
        raise UserError(f"publish.prefix: {prefix!r} holds a line break or the like; give letters, digits, '-' and '/'")
    if endpoint:
        _check_endpoint(endpoint)
    for variable in (*KEY_VARIABLES, TOKEN_VARIABLE):
        value = os.environ.get(variable, "")
        if not value.isascii() or not value.isprintable() or " " in value:
            end = "ends in" if value.rstrip() != value and value.rstrip().isascii() else "holds"
            raise UserError(
                f"{variable}: {end} a space, a line break or another sign that no key has; export it again without"
            )
    for variable in REGION_VARIABLES:
        region = os.environ.get(variable, "")
        if region and not re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)", region):
            raise UserError(f"{variable}: {region!r} is no region such as us-east-1; correct or unset it")


def _bad_name(name: str) -> str:
    return (
        f"publish.bucket: {name!r} is no name of a bucket, which has 3 to 63 lower-case letters, digits, '-' and '.'; "
        f"correct it"
    )


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port beyond 65535, or an open bracket
        parts, sound = urlsplit("http://unreadable"), False
    if "@" in endpoint:
        raise UserError(
            f"publish.endpoint: holds a name or a password, which the receipt would show; give the address alone, and "
            f"{' and '.join(KEY_VARIABLES)} in the environment"
        )
    if not sound or parts.query or parts.fragment or not endpoint.isprintable() or " " in endpoint:
        raise UserError(f"publish.endpoint: '{endpoint}' is no URL such as https://s3.example.org")
