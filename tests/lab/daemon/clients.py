"""boto3 clients against the front server, with the lab's own key, which no knob touches and no log counts."""

from __future__ import annotations

import threading
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
# The front server lets this key pass all knobs.
LAB_ACCESS_KEY = "AKIALABLABLABLABLAB0"
SECRET_KEY = "lab"
CONFIG = Config(retries={"total_max_attempts": 1}, max_pool_connections=20, parameter_validation=False)


class Clients:
    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._session = boto3.session.Session()
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, str], Any] = {}

    def of(self, service: str, region: str, credentials: dict[str, str] | None = None) -> Any:
        """A client; `credentials` are those of a scenario's connector, else the lab's own."""
        credentials = credentials or {"access_key": LAB_ACCESS_KEY, "secret_key": SECRET_KEY}
        key = (service, region, credentials["access_key"])
        # A session makes one client at a time; clients themselves may be shared.
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service, region_name=region, endpoint_url=self._endpoint, config=CONFIG,
                    aws_access_key_id=credentials["access_key"], aws_secret_access_key=credentials["secret_key"],
                    aws_session_token=credentials.get("session_token"),
                )
            return self._clients[key]
